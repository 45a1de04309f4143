# SPDX-License-Identifier: Apache-2.0
"""Docker archives (``docker save``): read one, and give its image another name.

An archive may be malicious: everything is checked before it is used, and only a limited amount is
read into memory.
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
"""Files that give the image its names; Docker writes the last two since version 25."""
MAX_METADATA_BYTES = 4 * units.Mi
"""Maximum size of an archive's headers, manifest and configuration together."""
CHUNK_BYTES = units.Mi
COMPRESSED: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
"""First bytes of a compressed file, and the function that opens it."""


@dataclass(frozen=True)
class Archive:
    """An archive with one image."""

    path: Path
    architecture: str
    """Such as ``amd64``; empty if the archive does not have it."""
    operating_system: str
    configuration: str
    layers: tuple[str, ...]
    """Files in the archive, like ``configuration``."""
    spans: tuple[tuple[int, int], ...]
    """First and last offset of all parts without names, in the uncompressed tar file."""

    def renamed(self, name: str) -> Iterator[bytes]:
        """Yield the same archive in chunks, with ``name`` as the only name of its image."""
        with _plain(self.path) as file:
            for begin, end in self.spans:
                file.seek(begin)
                while begin < end:
                    data = file.read(min(CHUNK_BYTES, end - begin))
                    _expect(bool(data), "it is truncated")
                    begin += len(data)
                    yield data
        manifest = [{"Config": self.configuration, "RepoTags": [name], "Layers": self.layers}]
        yield _ending(MANIFEST, json.dumps(manifest).encode())


def read(path: Path) -> Archive:
    """Return the archive at ``path``, which may be compressed.

    Raises UnusableImage if it is not a docker archive, or does not have exactly one image.
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
    """A file for tarfile that limits what it reads into memory, whatever the headers say."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, MAX_METADATA_BYTES
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        _expect(size <= self._left, f"more than {MAX_METADATA_BYTES} bytes of it are no layers")
        self._left -= size
        return self._file.read(size)


@contextlib.contextmanager
def _plain(path: Path) -> Iterator[IO[bytes]]:
    """Open the uncompressed content of ``path``; raises UnusableImage if it is damaged."""
    with path.open("rb") as file:
        beginning = file.read(8)
    opener = next((how for mark, how in COMPRESSED.items() if beginning.startswith(mark)), open)
    try:
        with opener(path, "rb") as plain:
            yield plain
    except (EOFError, lzma.LZMAError, zlib.error) as error:
        raise UnusableImage(f"the archive is damaged: {error}") from error
    except OSError as error:
        # Errors of the node have an errno. EINVAL: a header has an offset outside of any file.
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
    """Return the content of the JSON file ``name``."""
    entry = next((each for each in reversed(tar.getmembers()) if each.name == name), None)
    if entry is None or not entry.isreg():
        raise UnusableImage(f"it is no docker archive (docker save): {name} is not a file in it")
    # The size of a sparse file is not limited by what is read.
    _expect(entry.size <= MAX_METADATA_BYTES, f"{name} has {entry.size} bytes")
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
    """Return the end of a tar file, with ``name`` as its last file."""
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
