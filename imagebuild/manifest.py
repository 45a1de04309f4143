# SPDX-License-Identifier: Apache-2.0
"""``manifest.json``: describes the images in an output directory, for load-image and for people.

One record per image: name, role, hypervisor, release, elements, file, size and digests, Glance's
formats and properties, the Heat parameter for its id, the content key, packages, seconds per phase.
An image without a boot loader also has ``boot_files``: its ``kernel`` and ``ramdisk``.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from altostratus import files, space
from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile import jsonfile, schema, tree
from altostratus.yamlfile.problems import Report
from altostratus.yamlfile.schema import Schema
from imagebuild.cache import Entry, files_with_other_digests
from imagebuild.images import Image

FILE = "manifest.json"

# Fields that a manifest record takes from the cache record.
_FROM_CACHE = (
    *("key", "size", "mtime_ns", "sha256", "sha512"),
    *("package_count", "phases", "seconds", "built"),
)


_FILE: dict[str, Schema] = {
    "file": {"type": "string", "description": "File of this directory"},
    "sha512": {"type": "string", "description": "SHA-512 of its content in hexadecimal digits"},
}
_PART: Schema = {"type": "object", "required": list(_FILE), "properties": _FILE}

RECORD: Schema = {
    "type": "object",
    "required": ["name", *_FILE],
    "properties": {
        "name": {"type": "string", "description": "Name in Glance"},
        **_FILE,
        "hypervisor": {
            "type": ["string", "null"],
            "enum": [*HYPERVISORS, None],
            "description": "Hypervisor type that the image is for",
        },
        "parameter": {
            "type": ["string", "null"],
            "description": "Heat parameter that takes the image's id in Glance",
        },
        "boot_files": {
            "type": "object",
            "additionalProperties": False,
            "properties": {"kernel": _PART, "ramdisk": _PART},
            "description": "What a partition image is booted with",
        },
    },
}
"""What load-image goes by in the record of an image; it has more."""

MANIFEST: Schema = {
    "type": "object",
    "required": ["images"],
    "properties": {
        "images": {
            "type": "array",
            "items": RECORD,
            "description": "build-images writes it; load-image also takes image files by name",
        },
    },
}
"""The form of the file."""


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the manifest file ``path`` by image name.

    It is JSON whatever its name. Raises InvalidInputError with every problem of the file,
    InputError if there is none.
    """
    report = Report()
    if not os.path.lexists(path):
        raise InputError(f"there is no manifest {path}", "build-images writes it")
    content = tree.read(path, "build-images writes it: manifest.json")
    node = jsonfile.parse(content, str(path), report)
    schema.check(node, MANIFEST, report, "manifest")
    report.raise_if_any()
    return {record["name"]: record for record in node.plain()["images"]}


def published(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the records of ``directory``'s manifest by image name; empty if it has none."""
    return read_manifest(directory / FILE) if (directory / FILE).exists() else {}


def publish(entry: Entry, image: Image, directory: Path) -> dict[str, Any]:
    """Put a cached image with its package list into ``directory`` and return its new record.

    The file is a hard link to the cached one where possible, else a copy. Other records of the
    manifest stay, unless their file is gone.
    """
    record = _record(entry.record, image)
    directory.mkdir(parents=True, exist_ok=True)
    packages = {"image": image.name, "key": record["key"], "packages": entry.record["packages"]}
    with files.lock(directory / ".lock"):
        _place(entry.path, directory / record["file"])
        for name, part in record["boot_files"].items():
            cached = entry.record["boot_files"][name]["file"]
            _place(entry.path.parent / cached, directory / part["file"])
        files.write_json(directory / record["packages"], packages)
        rewrite(directory, [record])
    return record


def damaged(name: str, directory: Path) -> list[Path]:
    """Return the files of the image ``name`` whose digests are not those of the manifest."""
    return files_with_other_digests(directory, published(directory)[name])


def refresh(image: Image, directory: Path) -> dict[str, Any]:
    """Return the record of an up-to-date image; rewrite it if its role or parameter changed."""
    with files.lock(directory / ".lock"):
        record = _record(published(directory)[image.name], image)
        rewrite(directory, [record])
    return record


def rewrite(directory: Path, new: Iterable[Mapping[str, Any]]) -> None:
    """Put the records ``new`` into the manifest of ``directory``; the caller holds its lock.

    Other records stay, unless their file is gone. A Heat parameter takes one image: an image for
    another hypervisor type that had it before loses it.
    """
    latest = {record["name"]: record for record in new}
    taken = {record["parameter"] for record in latest.values()} - {None}
    old = published(directory)
    records: dict[str, Mapping[str, Any]] = {
        name: {**record, "parameter": None} if record.get("parameter") in taken else record
        for name, record in old.items()
    }
    records |= latest
    present = [r for _, r in sorted(records.items()) if (directory / r["file"]).exists()]
    if present != list(old.values()):
        files.write_json(directory / FILE, {"images": present})


def _record(known: Mapping[str, Any], image: Image) -> dict[str, Any]:
    kind = HYPERVISORS[image.hypervisor]
    return {
        **image.as_listed(),
        "file": f"{image.name}.{kind.suffix}",
        "format": kind.suffix,
        "disk_format": kind.disk_format,
        "container_format": kind.container_format,
        "properties": kind.properties,
        "packages": f"{image.name}.packages.json",
        "boot_files": {
            name: {**part, "file": f"{image.name}.{name}"}
            for name, part in known.get("boot_files", {}).items()
        },
        **{name: known[name] for name in _FROM_CACHE},
    }


def _place(source: Path, path: Path) -> None:
    target = files.target(path)
    temporary = target.with_name(f".{target.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        try:
            os.link(source, temporary)
        except OSError:
            # Another file system, or one without hard links.
            _copy(source, temporary)
        temporary.rename(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()


def _copy(source: Path, target: Path) -> None:
    with space.needed(target, source.stat().st_size):
        shutil.copyfile(source, target)
        shutil.copystat(source, target)
        files.flush(target)
