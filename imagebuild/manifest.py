# SPDX-License-Identifier: Apache-2.0
"""``manifest.json``: what the images in an output directory are, for load-image and for people.

One record per image: name, role, hypervisor, release, elements, file, size and digests, Glance's
formats and properties, the Heat parameter for its id, the content key, packages, seconds per phase;
for an image without a boot loader also ``boot_files``: its kernel and ramdisk, by these names.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from altostratus import files
from altostratus.errors import InputError
from altostratus.hypervisors import HYPERVISORS
from imagebuild.cache import Entry
from imagebuild.images import Image

FILE = "manifest.json"

# What a cache record and a manifest record have in common.
_FROM_CACHE = (
    *("key", "size", "mtime_ns", "sha256", "sha512"),
    *("package_count", "phases", "seconds", "built"),
)


def read_manifest(path: Path) -> dict[str, dict[str, Any]]:
    """Return the records of the manifest file ``path`` by image name.

    Raises InputError when it is absent or not a manifest.
    """
    try:
        records = json.loads(path.read_text(encoding="utf-8"))["images"]
        problems = [problem for record in records for problem in _problems(record)]
    except FileNotFoundError as error:
        raise InputError(f"there is no manifest {path}", "build-images writes it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a manifest of build-images: {error!r}") from error
    if problems:
        message = f"{path} is not a manifest of build-images: {'; '.join(problems)}"
        raise InputError(message, "build-images writes one; image files can be given by name")
    return {record["name"]: record for record in records}


def _problems(record: Any) -> Iterator[str]:
    """Yield what a record lacks of what load-image goes by."""
    if not isinstance(record, dict):
        yield f"{record!r} is not a mapping"
        return
    name = record.get("name")
    for key in ("name", "file", "sha512"):
        if not isinstance(record.get(key), str):
            yield f"{key} of {name} must be a string, is {record.get(key)!r}"
    if record.get("hypervisor") not in (None, *HYPERVISORS):
        yield f"hypervisor of {name} must be one of {', '.join(HYPERVISORS)}"
    if not isinstance(record.get("parameter"), str | None):
        yield f"parameter of {name} must be a string, is {record['parameter']!r}"
    parts = record.get("boot_files", {})
    if not isinstance(parts, dict) or not all(
        key in ("kernel", "ramdisk")
        and isinstance(part, dict)
        and {"file", "sha512"} <= part.keys()
        for key, part in parts.items()
    ):
        yield f"boot_files of {name} must be kernel and ramdisk with file and sha512, is {parts!r}"


def published(directory: Path) -> dict[str, dict[str, Any]]:
    """Return the records of ``directory``'s manifest by image name; empty if it has none."""
    return read_manifest(directory / FILE) if (directory / FILE).exists() else {}


def publish(entry: Entry, image: Image, directory: Path) -> dict[str, Any]:
    """Put a cached image with its package list into ``directory`` and return its new record.

    The file is a hard link to the cached one where that is possible, else a copy. Other records of
    the manifest stay, unless their file is gone.
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


def refresh(image: Image, directory: Path) -> dict[str, Any]:
    """Return the record of an up-to-date image, written anew if its role or parameter changed."""
    with files.lock(directory / ".lock"):
        record = _record(published(directory)[image.name], image)
        rewrite(directory, [record])
    return record


def rewrite(directory: Path, new: Iterable[Mapping[str, Any]]) -> None:
    """Put the records ``new`` into the manifest of ``directory``; the caller holds its lock.

    Other records stay, unless their file is gone. A Heat parameter takes one image: who had it
    before, for another hypervisor type, has none any more.
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
        "name": image.name,
        "role": image.role,
        "hypervisor": image.hypervisor,
        "release": image.release,
        "elements": list(image.elements),
        "parameter": image.parameter,
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


def _place(source: Path, target: Path) -> None:
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
    shutil.copyfile(source, target)
    shutil.copystat(source, target)
    files.flush(target)
