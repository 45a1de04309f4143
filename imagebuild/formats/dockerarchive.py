# SPDX-License-Identifier: Apache-2.0
"""Writes a directory as a docker archive, without a daemon.

The archive has the format that ``docker save`` writes and ``docker load`` and ``podman load`` read:
a tar of the only layer, the image's configuration and ``manifest.json`` (Docker Image Specification
1.2). It is written in one pass, and the same root gives the same bytes. It has no tag: the image is
named when it is loaded.
"""

import hashlib
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from imagebuild.recipes import architecture

INIT = ("/sbin/init",)
STOP_SIGNAL = "SIGRTMIN+3"
"""What systemd as the first process takes for "power off", see systemd(1)."""
LAYER = "layer.tar"
# A container mounts its own file systems here.
EMPTY = frozenset({"dev", "proc", "sys", "run", "tmp"})
EPOCH = "1970-01-01T00:00:00Z"
BLOCK = 2**20


def write_archive(root: Path, target: Path, key: str) -> None:
    """Write the directory ``root`` as the image of a docker archive to the file ``target``.

    ``key`` is recorded in the image's labels.
    """
    with target.open("wb") as file:
        # Space for the header: the size is known only at the end.
        file.write(bytes(tarfile.BLOCKSIZE))
        layer = _Digesting(file)
        _write_layer(root, layer)
        file.write(bytes(-layer.size % tarfile.BLOCKSIZE))
        configuration = _json(_configuration(layer.digest.hexdigest(), key))
        name = f"{hashlib.sha256(configuration).hexdigest()}.json"
        manifest = _json([{"Config": name, "RepoTags": None, "Layers": [LAYER]}])
        for path, content in ((name, configuration), ("manifest.json", manifest)):
            file.write(_header(path, len(content)))
            file.write(content + bytes(-len(content) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
        file.seek(0)
        file.write(_header(LAYER, layer.size))


class _Digesting:
    """A file for tarfile to write to that computes size and digest."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)


def _write_layer(root: Path, output: Any) -> None:
    # PAX carries what a file system has: long names, extended attributes, large files.
    with tarfile.open(fileobj=output, mode="w|", format=tarfile.PAX_FORMAT, bufsize=BLOCK) as tar:
        for path in _walk(root):
            entry = tar.gettarinfo(path, path.relative_to(root).as_posix())
            # A socket, which tar does not support.
            if entry is None:
                continue
            _normalise(entry, path)
            if entry.isreg():
                with path.open("rb") as content:
                    tar.addfile(entry, content)
            else:
                tar.addfile(entry)


def _walk(root: Path) -> Iterator[Path]:
    """Yield everything below ``root`` in sorted order, directories before their content."""
    for directory, names, others in os.walk(root):
        if Path(directory).parent == root and Path(directory).name in EMPTY:
            names.clear()
            continue
        names.sort()
        yield from (Path(directory, name) for name in sorted([*names, *others]))


def _normalise(entry: tarfile.TarInfo, path: Path) -> None:
    entry.uname = entry.gname = ""
    entry.mtime = int(entry.mtime)
    # File capabilities and the like, as GNU tar and docker name them.
    values = {
        name: os.getxattr(path, name, follow_symlinks=False)
        for name in sorted(os.listxattr(path, follow_symlinks=False))
    }
    entry.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode("utf-8", "surrogateescape")
        for name, value in values.items()
    }


def _configuration(layer: str, key: str) -> dict[str, Any]:
    return {
        "architecture": architecture(),
        "os": "linux",
        "created": EPOCH,
        "config": {
            "Cmd": INIT,
            "StopSignal": STOP_SIGNAL,
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
            "Labels": {"org.altostratus.key": key},
        },
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": EPOCH, "created_by": "build-images"}],
    }


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True).encode()


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    # The GNU format is always one block: a size too large for octal digits is binary there.
    return entry.tobuf(tarfile.GNU_FORMAT)
