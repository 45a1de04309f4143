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

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS

# Also file names and arguments of programs: nothing that starts with a dash or leaves a directory.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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


def read_images(path: Path) -> list[Image]:
    """Return the images of the file ``path``; raises InputError naming everything that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read the image list {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text: {error.reason}") from error
    return parse_images(text, str(path))


def parse_images(text: str, source: str) -> list[Image]:
    """Return the images of an image list; ``source`` names it in the InputError."""
    document, problems = _load(text, source)
    if not isinstance(document, dict) or not isinstance(document.get("images"), list):
        raise InputError(
            f"{source}: not an image list: the key 'images' with a list is missing",
            "generate-stacks writes such a file; for a cloud file use --cloud",
        )
    items = document["images"]
    if not items:
        problems.append(f"{source}: the list 'images' is empty")
    problems += [
        f"{source}: images[{index}]: {problem}"
        for index, item in enumerate(items)
        for problem in _problems(item)
    ]
    for key in ("name", "parameter"):
        values = [item.get(key) for item in items if isinstance(item, dict)]
        problems += [
            f"{source}: the {key} {value} is used more than once"
            for value in sorted({value for value in values if isinstance(value, str)})
            if values.count(value) > 1
        ]
    if problems:
        raise InputError("\n".join(problems))
    return [Image(**{**item, "elements": tuple(item["elements"])}) for item in items]


def _load(text: str, source: str) -> tuple[Any, list[str]]:
    """Return what the YAML ``text`` says, and the keys that are in a mapping more than once."""
    import yaml

    # Not the C loader: it overflows the stack on deep nesting.
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        document = loader.construct_document(root) if root else None
    except yaml.YAMLError as error:
        raise InputError(f"{source}: not YAML: {error}") from error
    except RecursionError as error:
        raise InputError(f"{source}: nested too deeply") from error
    return document, [f"{source}:{problem}" for problem in _doubled(root)]


def _doubled(root: Any) -> Iterator[str]:
    """Yield the keys, with their lines, that the list or an image of it has more than once.

    YAML forbids them (section 3.2.1.1 of its specification); PyYAML takes the last.
    """
    import yaml

    inner = [node.value for _, node in root.value] if isinstance(root, yaml.MappingNode) else []
    for mapping in [root, *(node for nodes in inner if isinstance(nodes, list) for node in nodes)]:
        if isinstance(mapping, yaml.MappingNode):
            keys = [(key.value, key.start_mark.line + 1) for key, _ in mapping.value]
            for number, (name, line) in enumerate(keys):
                if name in [earlier for earlier, _ in keys[:number]]:
                    yield f"{line}: the key {name} is there already"


def select(
    images: Sequence[Image],
    hypervisors: Sequence[str] = (),
    roles: Sequence[str] = (),
    *,
    partition: bool = False,
) -> list[Image]:
    """Return the images of ``roles`` for the types ``hypervisors``; empty means all, as listed.

    A type that the list does not have for a role gives an image like the listed one for that type.
    With ``partition``, those that can be are made as one partition with kernel and ramdisk.
    Raises InputError for unknown roles.
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
            # The cloud's Heat parameter takes one image: the one that its list has.
            retyped = [
                each if each in images else replace(each, parameter=None) for each in retyped
            ]
        chosen = list({image.name: image for image in retyped}.values())
    if partition:
        chosen = [_as_partition(image) for image in chosen]
    return chosen


def _for_type(image: Image, hypervisor: str) -> Image:
    if image.hypervisor == hypervisor:
        return image
    stem = image.name.removesuffix(f"-{image.hypervisor}")
    kept = image.partition and HYPERVISORS[hypervisor].partitions
    return replace(image, name=f"{stem}-{hypervisor}", hypervisor=hypervisor, partition=kept)


def _as_partition(image: Image) -> Image:
    return replace(image, partition=HYPERVISORS[image.hypervisor].partitions)


def _can_be_partition(hypervisor: Any) -> bool:
    row = HYPERVISORS.get(hypervisor) if isinstance(hypervisor, str) else None
    return row is None or row.partitions


def _problems(item: Any) -> list[str]:
    if not isinstance(item, dict):
        return ["not a mapping"]
    known = [field.name for field in fields(Image)]
    problems = [f"unknown key {key!r}" for key in item if key not in known]
    for key in ("name", "role", "hypervisor", "release"):
        value = item.get(key)
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            problems.append(f"{key} must be a name (letters, digits, '.', '_', '-'), is {value!r}")
    hypervisor = item.get("hypervisor")
    if isinstance(hypervisor, str) and hypervisor not in HYPERVISORS:
        problems.append(f"unknown hypervisor type {hypervisor}; known: {', '.join(HYPERVISORS)}")
    elements = item.get("elements")
    if not isinstance(elements, list) or not all(
        isinstance(name, str) and _NAME.fullmatch(name) for name in elements
    ):
        problems.append(f"elements must be a list of element names, is {elements!r}")
    if not isinstance(item.get("partition", False), bool):
        problems.append(f"partition must be true or false, is {item['partition']!r}")
    elif item.get("partition") and not _can_be_partition(hypervisor):
        able = ", ".join(name for name, row in HYPERVISORS.items() if row.partitions)
        problems.append(f"no partition images for {hypervisor}, only for {able}")
    if not isinstance(item.get("parameter"), str | None):
        problems.append(f"parameter must be a string, is {item['parameter']!r}")
    return problems
