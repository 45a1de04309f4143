# SPDX-License-Identifier: Apache-2.0
"""The cache of layers and images on this machine, by content key.

Below the root (``$ALTOSTRATUS_CACHE``, else the user's cache directory)::

    layers/NAME/KEY.tar    KEY.json    a base layer, and its record
    images/NAME/KEY.raw    KEY.json    a finished image (any extension), and its record
    images/NAME/KEY.kernel KEY.ramdisk of an image without a boot loader
    downloads/             packages    (imagebuild.downloads)
    work/                  work in progress of running builds (imagebuild.workdir)
    failed/NAME            work of failed builds that the user wanted to keep (imagebuild.failures)

A record is written last: a file without one does not exist for us. It contains the inputs, so that
the next build can report what changed, and digests, by which the files are checked when they are
used. Everything may be removed when no build is running.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from altostratus import files, space
from imagebuild.recipes import Recipe

LAYERS = "layers"
IMAGES = "images"
# The current one and the one before it, for switching between two branches.
KEPT = 2


@dataclass(frozen=True)
class Entry:
    """A layer or an image in the cache."""

    path: Path
    """The tar archive or the image."""
    record: Mapping[str, Any]
    """Its record: name, key, inputs, size, mtime_ns, sha256, and what its builder added."""


def default_root() -> Path:
    """Return the root of the cache: ``$ALTOSTRATUS_CACHE`` or the user's cache directory."""
    if chosen := os.environ.get("ALTOSTRATUS_CACHE"):
        return Path(chosen).absolute()
    import platformdirs

    return platformdirs.user_cache_path("altostratus")


class Cache:
    """Layers (``kind`` LAYERS) and images (IMAGES) below ``root``."""

    def __init__(self, root: Path) -> None:
        """Use ``root``, which need not exist yet."""
        self.root = root
        self.work = root / "work"
        self.failed = root / "failed"
        self.downloads = root / "downloads"

    def lock(self, kind: str, name: str) -> contextlib.AbstractContextManager[None]:
        """Lock a layer or image for building; raises BlockingIOError if another process has it."""
        return files.lock(self.root / kind / name / ".lock", blocking=False)

    def find(self, kind: str, recipe: Recipe) -> Entry | None:
        """Return the entry of ``recipe``, None if it is absent or its file was written to.

        This reads no file: see ``take``. An entry of the same key under another name has the same
        content: roles of several clouds share their images.
        """
        return next(self._entries(kind, recipe), None)

    def take(self, kind: str, recipe: Recipe, report: Callable[[str], None]) -> Entry | None:
        """Return the entry of ``recipe`` for use: its files have the digests of its record.

        An entry whose files have others is removed, and reported in words.
        """
        for entry in self._entries(kind, recipe):
            if not (damaged := files_with_other_digests(entry.path.parent, entry.record)):
                return entry
            for path in damaged:
                report(f"{path} is damaged: its digest is not that of its record; not used")
            # Without its record it does not exist.
            (entry.path.parent / f"{recipe.key}.json").unlink(missing_ok=True)
        return None

    def _entries(self, kind: str, recipe: Recipe) -> Iterator[Entry]:
        own = self.root / kind / recipe.name
        others = (path.parent for path in (self.root / kind).glob(f"*/{recipe.key}.json"))
        for directory in dict.fromkeys((own, *sorted(others))):
            record = _read(directory / f"{recipe.key}.json")
            if record is not None and all_unchanged(directory, record):
                yield Entry(directory / str(record.get("file")), record)

    def newest(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Return the record of the newest entry of ``name``, None if there is none."""
        records = sorted(
            (self.root / kind / name).glob("*.json"), key=lambda path: path.stat().st_mtime_ns
        )
        return _read(records[-1]) if records else None

    def last_inputs(self, kind: str, name: str) -> Mapping[str, str] | None:
        """Return the inputs of the newest entry of ``name``, None if there is none."""
        newest = self.newest(kind, name)
        return newest.get("inputs") if newest else None

    def store(
        self,
        kind: str,
        recipe: Recipe,
        made: Path,
        extra: Mapping[str, Any],
        boot_files: Mapping[str, tuple[Path, Mapping[str, str]]] = MappingProxyType({}),
    ) -> Entry:
        """Move the file ``made`` (on the same file system) into the cache and record it.

        ``boot_files`` are its other files with their digests; ``extra`` may have the SHA-256 of
        ``made`` already. Of the entries of the same name only
        the newest (KEPT) stay. The files become read-only, since outputs are hard links to them.
        """
        directory = self.root / kind / recipe.name
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{recipe.key}{made.suffix}"
        further = {
            name: _move(file, directory / f"{recipe.key}{file.suffix}", digests)
            for name, (file, digests) in boot_files.items()
        }
        record = {
            "name": recipe.name,
            "key": recipe.key,
            **_move(made, path, extra),
            **({"boot_files": further} if further else {}),
            "inputs": dict(recipe.inputs),
        }
        files.write_json(directory / f"{recipe.key}.json", record)
        self._prune(directory)
        return Entry(path, record)

    def _prune(self, directory: Path) -> None:
        records = sorted(
            directory.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True
        )
        kept = {record.stem for record in records[:KEPT]}
        for path in directory.iterdir():
            if path.name.partition(".")[0] not in kept | {""}:
                path.unlink()


def unchanged(path: Path, record: Mapping[str, Any]) -> bool:
    """Return whether ``path`` is the file of ``record``: same size and modification time."""
    try:
        status = path.stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (record.get("size"), record.get("mtime_ns"))


def all_unchanged(directory: Path, record: Mapping[str, Any]) -> bool:
    """Return whether every file of ``record`` in ``directory`` is unchanged."""
    return all(unchanged(directory / str(part.get("file")), part) for part in _parts(record))


def files_with_other_digests(directory: Path, record: Mapping[str, Any]) -> list[Path]:
    """Return the files of ``record`` in ``directory`` whose SHA-256 is not the recorded one."""
    parts = ((directory / str(part.get("file")), part.get("sha256")) for part in _parts(record))
    return [path for path, sha256 in parts if files.digest(path) != sha256]


def _parts(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [record, *record.get("boot_files", {}).values()]


def _move(made: Path, path: Path, known: Mapping[str, Any]) -> dict[str, Any]:
    """Flush ``made``, rename it to ``path``, read-only, and return its part of a record.

    That is ``known`` with what is missing.
    """
    made.chmod(0o444)
    status = made.stat()
    with space.needed(path, status.st_size):
        files.flush(made)
    digest = known.get("sha256") or files.digest(made)
    made.rename(path)
    part = {"file": path.name, "size": status.st_size, "mtime_ns": status.st_mtime_ns}
    return {**part, "sha256": digest, **known}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None
