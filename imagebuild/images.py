# SPDX-License-Identifier: Apache-2.0
"""The image list: which images to build, of which elements, for which hypervisor type.

``generate-stacks`` writes it (images.yaml); it is a small file that a person can also write::

    images:
      - name: overcloud-keystone-lxc
        role: keystone
        hypervisor: lxc
        release: bookworm
        elements: [keystone]
        parameter: KeystoneImage

``partition: true`` asks for an image of one file system, with kernel and ramdisk files beside it,
for bare-metal nodes that their Ironic partitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from altostratus.yamlfile.schema import Schema
from imagebuild import elementspath

NAME: Schema = {
    "type": "string",
    # It becomes a file name and an argument of programs: no leading dash, no other directory.
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    "title": "a name of letters, digits and . _ -, a letter or digit first",
    "examples": ["overcloud-keystone-lxc"],
}

IMAGE: Schema = {
    "type": "object",
    "required": ["name", "role", "hypervisor", "release", "elements"],
    "additionalProperties": False,
    "properties": {
        "name": {**NAME, "description": "Name in Glance, and of the file without its extension"},
        "role": {
            **NAME,
            "examples": ["keystone"],
            "description": "Role in the cloud file whose instances boot from the image",
        },
        "hypervisor": {
            "type": "string",
            "enum": list(HYPERVISORS),
            "description": "Hypervisor type that the image is for",
        },
        "release": {
            **NAME,
            "examples": ["bookworm"],
            "description": "Distribution release inside, by its code name",
        },
        "elements": {
            "type": "array",
            "items": {**NAME, "title": "the name of an element", "examples": ["keystone"]},
            "description": "diskimage-builder elements of its services",
        },
        "parameter": {
            "type": ["string", "null"],
            "description": "Heat parameter that takes the image's id in Glance",
        },
        "partition": {
            "type": "boolean",
            "default": False,
            "description": "ironic: one file system with kernel and ramdisk files beside it",
        },
    },
}
"""One image of ``images``."""

IMAGES: Schema = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "elements_path": {
            "type": "array",
            "items": {"type": "string", "minLength": 1},
            "description": "Directories of elements, unless `ELEMENTS_PATH` is set",
        },
        "images": {
            "type": "array",
            "items": IMAGE,
            "minItems": 1,
            "description": "generate-stacks writes such a list; for a cloud file use --cloud",
        },
    },
}
"""The form of the file."""


BOOT_PARTS = ("kernel", "ramdisk")
"""What an image without a boot loader is booted with: files beside it, and images in Glance."""


@dataclass(frozen=True)
class Image:
    """One image to build."""

    name: str
    """Name in Glance, and of the file without its extension."""
    role: str
    """Role in the cloud file whose instances boot from it."""
    hypervisor: str
    """Hypervisor type (a name in HYPERVISORS)."""
    release: str
    """Distribution release inside, by its code name (bookworm)."""
    elements: tuple[str, ...]
    """diskimage-builder elements of its services; what every image needs is added."""
    parameter: str | None = None
    """Heat parameter that takes its id in Glance."""
    partition: bool = False
    """ironic: one file system, with kernel and ramdisk beside it, instead of a disk that boots."""

    def as_listed(self) -> dict[str, Any]:
        """Return the fields that image lists and manifests share, as JSON values."""
        return {
            "name": self.name,
            "role": self.role,
            "hypervisor": self.hypervisor,
            "release": self.release,
            "elements": list(self.elements),
            "parameter": self.parameter,
        }


def read_images(path: Path) -> list[Image]:
    """Return the images of the file ``path``, of the form IMAGES.

    Raises InvalidInputError with every problem of the file, InputError if it cannot be read.
    """
    report = Report()
    hint = "name a list of images, such as generate-stacks writes: images.yaml"
    node = document.load(path, report, hint)
    schema.check(node, IMAGES, report, "image list")
    listed = node.get("images")
    sound = [one for item in (listed.items if listed else []) if (one := schema.sound(item, IMAGE))]
    for image in sound:
        _check_partition(image, report)
    for key in ("name", "parameter"):
        _check_unique(sound, key, report)
    _check_boot_names(sound, report)
    report.raise_if_any()
    return [
        Image(**{**item, "elements": tuple(item["elements"])}) for item in node.plain()["images"]
    ]


def read_elements_path(path: Path) -> list[Path]:
    """Return the directories of elements that the image list ``path`` names, absolute.

    A relative one is taken from the file's directory. Raises as ``read_images``, and
    InvalidInputError with every directory that cannot be searched.
    """
    read_images(path)
    report, found = Report(), []
    listed = document.load(path, report).get("elements_path")
    for item in listed.items if listed else ():
        found.append((path.parent / str(item.value)).absolute())
        if reason := elementspath.unusable(found[-1]):
            hint = f"generate the list again, or set {elementspath.VARIABLE}"
            report.add(item.mark, f"elements_path: {item.value}: {reason}", hint)
    report.raise_if_any()
    return found


def _check_partition(image: Node, report: Report) -> None:
    partition, hypervisor = image.get("partition"), image.get("hypervisor")
    if not partition or not partition.value or not hypervisor:
        return
    if not HYPERVISORS[str(hypervisor.value)].partitions:
        able = ", ".join(name for name, row in HYPERVISORS.items() if row.partitions)
        message = f"partition: there are no partition images for {hypervisor.value}"
        report.add(partition.mark, message, f"remove it, or set 'hypervisor' to {able}")


def _check_unique(images: Sequence[Node], key: str, report: Report) -> None:
    # Not schema.check_unique: Heat parameters may differ in upper and lower case alone.
    first: dict[str, Node] = {}
    for value in (image.get(key) for image in images):
        if value is None or not isinstance(value.value, str):
            continue
        earlier = first.setdefault(value.value, value)
        if earlier is not value:
            message = f"{key}: {value.value} is also in line {earlier.mark.line}"
            report.add(value.mark, message, "each can be there once: correct one of them")


def boot_name(image: str, part: str) -> str:
    """Return the name in Glance of the ``part`` (one of BOOT_PARTS) of the image called so."""
    return f"{image}-{part}"


def _check_boot_names(images: Sequence[Node], report: Report) -> None:
    # Whatever can be a partition image: --partition makes it one.
    owners = {
        boot_name(str(name.value), part): str(name.value)
        for image in images
        if (name := image.get("name")) and _can_boot_apart(image)
        for part in BOOT_PARTS
    }
    for image in images:
        if (name := image.get("name")) and (owner := owners.get(str(name.value))):
            message = f"name: {name.value} is what a part of {owner} is called in Glance"
            report.add(name.mark, message, "rename one of them")


def _can_boot_apart(image: Node) -> bool:
    hypervisor = image.get("hypervisor")
    return bool(hypervisor and HYPERVISORS[str(hypervisor.value)].partitions)


def select(
    images: Sequence[Image],
    hypervisors: Sequence[str] = (),
    roles: Sequence[str] = (),
    *,
    partition: bool = False,
) -> list[Image]:
    """Return the images of ``roles`` for the types ``hypervisors``; empty means all, as listed.

    If the list has no image of a role for a type, one like the role's listed image is returned.
    With ``partition``, types that can have it get one partition with kernel and ramdisk.
    Raises InputError for unknown roles, and if two different images would have one name.
    """
    known = {image.role for image in images}
    unknown = sorted(set(roles) - known)
    if unknown:
        raise InputError(
            f"no such role: {', '.join(unknown)}", f"the roles are {', '.join(sorted(known))}"
        )
    chosen = [image for image in images if not roles or image.role in roles]
    if hypervisors:
        retyped = [_for_type(image, kind) for image in chosen for kind in hypervisors]
        if len(set(hypervisors)) > 1:
            # The cloud's Heat parameter takes one image: the listed one.
            retyped = [
                each if each in images else replace(each, parameter=None) for each in retyped
            ]
        _check_same(retyped)
        chosen = list({image.name: image for image in retyped}.values())
    if partition:
        chosen = [_as_partition(image) for image in chosen]
    return chosen


def _check_same(images: Sequence[Image]) -> None:
    first: dict[str, Image] = {}
    for image in images:
        other = first.setdefault(image.name, image)
        if (other.role, other.elements, other.release) != (
            image.role,
            image.elements,
            image.release,
        ):
            raise InputError(
                f"two images would be called {image.name}: of {other.role} and of {image.role}",
                "rename one of them in the list, or choose one: --role",
            )


def _for_type(image: Image, hypervisor: str) -> Image:
    if image.hypervisor == hypervisor:
        return image
    stem = image.name.removesuffix(f"-{image.hypervisor}")
    kept = image.partition and HYPERVISORS[hypervisor].partitions
    return replace(image, name=f"{stem}-{hypervisor}", hypervisor=hypervisor, partition=kept)


def _as_partition(image: Image) -> Image:
    return replace(image, partition=HYPERVISORS[image.hypervisor].partitions)
