# SPDX-License-Identifier: Apache-2.0
"""Docker archives (``docker save``): what is in one, and the same one under another name.

Whoever made an archive may have written anything into it: everything is looked at before it is
used, and little is read of it.
"""

import bz2
import contextlib
import errno
import gzip
import io
import json
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from oslo_utils import units

from novadrivers.docker.errors import UnusableImage

MANIFEST = "manifest.json"
NAMING = frozenset((MANIFEST, "repositories", "index.json", "oci-layout"))
"""Files that give an image its names; Docker writes the last two since version 25."""
MOST = 4 * units.Mi
"""Bytes that are read at most of an archive's headers, manifest and configuration."""
CHUNK = units.Mi
COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
"""How a compressed file begins, and what opens it."""


@dataclass(frozen=True)
class Archive:
    """The one image of an archive."""

    path: Path
    architecture: str
    """Such as ``amd64``; empty where the archive does not say."""
    operating_system: str
    configuration: str
    layers: tuple[str, ...]
    """Names of files in the archive, like the configuration."""
    spans: tuple[tuple[int, int], ...]
    """Beginnings and ends of what names nothing, in the tar file without its compression."""

    def named(self, name: str) -> Iterator[bytes]:
        """Give the same archive in pieces, with ``name`` as its image's only one."""
        with _plain(self.path) as file:
            for begin, end in self.spans:
                file.seek(begin)
                while begin < end:
                    data = file.read(min(CHUNK, end - begin))
                    _expect(bool(data), "it is cut off")
                    begin += len(data)
                    yield data
        manifest = [{"Config": self.configuration, "RepoTags": [name], "Layers": self.layers}]
        yield _ending(MANIFEST, json.dumps(manifest).encode())


def read(path: Path) -> Archive:
    """Return what the archive at ``path`` holds.

    Raises UnusableImage where it is no docker archive, or holds any number of images but one.
    """
    with _plain(path) as file, _tar(file) as tar:
        members = tar.getmembers()
        images = _json(tar, MANIFEST)
        _expect(isinstance(images, list), f"{MANIFEST} is no list")
        if len(images) != 1:
            raise UnusableImage(f"the archive holds {len(images)} images, not one")
        _expect(isinstance(images[0], dict), f"{MANIFEST} describes no image")
        image: dict[str, Any] = images[0]
        name, layers, names = (image.get(key) for key in ("Config", "Layers", "RepoTags"))
        _expect(_are_texts([name]), f"Config is {name!r}")
        _expect(_are_texts(layers or []), f"Layers is {layers!r}")
        _expect(_are_texts(names or []), f"RepoTags is {names!r}")
        described = _json(tar, str(name))
        _expect(isinstance(described, dict), "the configuration is no object")
        architecture, system = described.get("architecture", ""), described.get("os", "linux")
        _expect(_are_texts([architecture, system]), "its architecture or os is no text")
        spans = tuple(_spans(members, tar.offset))
        return Archive(path, architecture, system, str(name), tuple(layers or ()), spans)


class _Limited:
    """A file for tarfile, which reads into memory what headers say: not more than MOST of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MOST
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        _expect(size <= self._left, f"more than {MOST} bytes of it are no layers")
        self._left -= size
        return self._file.read(size)


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """Open the file at ``path`` without its compression; damage to that is an UnusableImage."""
    with path.open("rb") as file:
        beginning = file.read(8)
    opener = next((how for mark, how in COMPRESSED.items() if beginning.startswith(mark)), open)
    try:
        with opener(path, "rb") as plain:
            yield plain
    except (EOFError, lzma.LZMAError, zlib.error) as error:
        raise UnusableImage(f"the archive is damaged: {error}") from error
    except OSError as error:
        # The node's own errors have a number. Beyond any file's end is where a header may point.
        if error.errno not in (None, errno.EINVAL):
            raise
        raise UnusableImage(f"the archive is damaged: {error}") from error


@contextlib.contextmanager
def _tar(file: IO[bytes]) -> Iterator[tarfile.TarFile]:
    limited: Any = _Limited(file)
    try:
        with tarfile.open(fileobj=limited, mode="r:") as tar:
            yield tar
    except tarfile.TarError as error:
        raise UnusableImage("it is no docker archive (docker save), not even a tar file") from error
    except (OverflowError, ValueError) as error:
        raise UnusableImage(f"the archive is damaged: {error}") from error


def _json(tar: tarfile.TarFile, name: str) -> Any:
    """Return what the file ``name`` says."""
    entry = next((each for each in reversed(tar.getmembers()) if each.name == name), None)
    if entry is None or not entry.isreg():
        raise UnusableImage(f"it is no docker archive (docker save): {name} is not a file in it")
    # A sparse file takes memory that nothing was read for.
    _expect(entry.size <= MOST, f"{name} has {entry.size} bytes")
    file: Any = tar.extractfile(entry)
    try:
        return json.loads(file.read())
    except RecursionError:
        raise UnusableImage(f"it is no docker archive (docker save): {name} is too deep") from None
    except ValueError as error:
        raise UnusableImage(f"it is no docker archive (docker save): {name}: {error}") from error


def _spans(members: list[tarfile.TarInfo], end: int) -> Iterator[tuple[int, int]]:
    ends = [*(each.offset for each in members[1:]), end]
    for member, stop in zip(members, ends, strict=True):
        if posixpath.normpath(member.name) not in NAMING:
            yield member.offset, stop


def _ending(name: str, content: bytes) -> bytes:
    """Return the end of a tar file whose last file is ``name``."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(content)
        tar.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(each, str) for each in values)


def _expect(right: bool, reason: str) -> None:
    if not right:
        raise UnusableImage(f"it is no docker archive (docker save): {reason}")
