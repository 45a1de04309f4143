# SPDX-License-Identifier: Apache-2.0
"""The inputs of a layer or an image, and the key that identifies the result. Builds nothing.

An image consists of two layers. The base (operating system and what every instance needs) is common
to all roles and types of a distribution release; the image's own layer has its services and what
its hypervisor type needs. Everything that can change the result is an input; the key is their hash.
The packages on the mirror are no input: ``build-images --force`` fetches them anew.
"""

import functools
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from altostratus import datafiles
from altostratus.hypervisors import HYPERVISORS
from imagebuild import elements
from imagebuild.images import Image

# Increase when the code of this package gives another result for the same inputs.
FORMAT = "3"
OPERATING_SYSTEM = "debian-minimal"
RELEASES = ("bookworm", "trixie")
"""Releases of that system for which the elements fetch Python wheels."""
BASE = "instance-base"
RAMDISK = "deploy-ramdisk"
ASSEMBLY = "directory-image"
PREBUILT_ROOT = "prebuilt-root"

OPTIONS: Mapping[str, str] = {
    # No ifupdown files: instances use systemd-networkd.
    "DIB_APT_MINIMAL_CREATE_INTERFACES": "0",
    "DIB_DEBOOTSTRAP_DEFAULT_LOCALE": "C.UTF-8",
    # The default of the element dib-python on Debian is Python 2.
    "DIB_PYTHON_VERSION": "3",
}
"""Variables of diskimage-builder and its elements that shape every image."""

# Names that distributions give to what Python's platform.machine() returns.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class Recipe:
    """One run of diskimage-builder and everything that goes into it."""

    name: str
    """Name of the layer or image."""
    release: str
    """Distribution release by its code name."""
    wanted: tuple[str, ...]
    """Elements to ask for."""
    elements: Mapping[str, Path]
    """Every element that runs, with its directory."""
    inside: Mapping[str, Path]
    """Elements that the parent already contains, with their directories."""
    again: tuple[str, ...]
    """Elements of the parent that must run again in this layer."""
    digests: Mapping[str, str]
    """Digest of every file that can change the result, by ``element/file``."""
    options: Mapping[str, str]
    """Environment variables of diskimage-builder and its elements that shape the result."""
    architecture: str
    """Architecture by its distribution name (amd64)."""
    form: str = ""
    """Format of the image; empty for a base."""
    parent: "Recipe | None" = None
    """The layer below; None for a base."""

    @functools.cached_property
    def inputs(self) -> dict[str, str]:
        """Return everything that can change the result, by a name that people understand.

        It is hashed to the key, and kept in the cache to say later what has changed.
        """
        import importlib.metadata

        common = {
            "build format": FORMAT,
            "diskimage-builder version": importlib.metadata.version("diskimage-builder"),
            "architecture": self.architecture,
            **{f"option {name}": value for name, value in self.options.items()},
            **self.digests,
        }
        if self.parent is None:
            return common
        return {
            **common,
            "elements": " ".join(sorted({*self.elements, *self.inside})),
            "elements that run again": " ".join(sorted(self.again)),
            "image format": self.form,
        }

    @functools.cached_property
    def key(self) -> str:
        """Return the content key: 64 hexadecimal digits."""
        return hashlib.sha256(json.dumps(self.inputs, sort_keys=True).encode()).hexdigest()


def architecture() -> str:
    """Return the architecture of this machine by its distribution name (amd64)."""
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def base_recipe(release: str, path: Sequence[Path]) -> Recipe:
    """Return the recipe of the base layer of ``release``; ``path`` is searched for elements."""
    wanted = (OPERATING_SYSTEM, BASE, ASSEMBLY)
    found = elements.closure(wanted, path)
    return Recipe(
        name=f"base-{release}",
        release=release,
        wanted=wanted,
        elements=found,
        inside={},
        again=(),
        digests=elements.file_digests(found),
        options={"DIB_RELEASE": release, **OPTIONS},
        architecture=architecture(),
    )


def image_recipe(image: Image, base: Recipe, path: Sequence[Path]) -> Recipe:
    """Return the recipe of ``image`` on top of ``base``.

    Raises InputError when an element is missing or the elements do not fit together.
    """
    kind = HYPERVISORS[image.hypervisor]
    asked = (*image.elements, kind.target_element)
    form = f"{kind.suffix} {kind.disk_format} for {kind.name}"
    form += " as partition" if image.partition else ""
    return _on_top(base, image.name, asked, form, path)


def ramdisk_recipe(base: Recipe, path: Sequence[Path]) -> Recipe:
    """Return the recipe of the deploy ramdisk on top of ``base``.

    Raises InputError when an element is missing.
    """
    return _on_top(base, RAMDISK, (RAMDISK,), "kernel and initramfs", path)


def _on_top(
    base: Recipe, name: str, asked: Sequence[str], form: str, path: Sequence[Path]
) -> Recipe:
    below = elements.closure(base.wanted, path)
    everything = elements.closure(dict.fromkeys((*base.wanted, *asked)), path)
    again = {n for n, where in below.items() if elements.runs_in_every_layer(n, where)}
    again |= {ASSEMBLY}
    inside = {name: where for name, where in below.items() if name not in again}
    wanted = tuple(name for name in dict.fromkeys(asked) if name not in inside)
    running = {name: where for name, where in everything.items() if name not in inside}
    return Recipe(
        name=name,
        release=base.release,
        wanted=wanted,
        elements=running,
        inside=inside,
        again=tuple(sorted(again)),
        digests={
            **elements.file_digests(everything),
            **elements.file_digests(elements.project_packages(everything)),
            **elements.file_digests({PREBUILT_ROOT: datafiles.elements_path() / PREBUILT_ROOT}),
        },
        options=base.options,
        architecture=base.architecture,
        form=form,
        parent=base,
    )


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Return which inputs differ, in sorted order: ``glance/pkg-map changed``."""
    verdicts = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            verdicts.append(f"{name} is new")
        elif name not in new:
            verdicts.append(f"{name} is gone")
        elif old[name] != new[name]:
            verdicts.append(f"{name} changed")
    return verdicts
