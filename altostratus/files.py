# SPDX-License-Identifier: Apache-2.0
"""Atomic writes, locks between processes, digests."""

import contextlib
import fcntl
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from altostratus import space


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically and with exactly ``mode``, whatever the umask.

    Readers see the old content or the new: a temporary file in the same directory gets its mode,
    then its content, is flushed to disk and renamed. Missing parent directories are created.
    Raises NoSpaceError that names path and size if the disk is full.
    """
    content = text.encode()
    with space.needed(path, len(content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                os.fchmod(stream.fileno(), mode)
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(temporary).rename(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise


def write_json(path: Path, data: Any, mode: int = 0o644) -> None:
    """Write ``data`` as indented JSON with a final newline, as ``write_text`` does."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n", mode)


@contextlib.contextmanager
def lock(path: Path, blocking: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path`` (created if missing, never removed).

    The kernel releases the lock when the process dies. With ``blocking`` False, BlockingIOError is
    raised at once if another process or thread holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if blocking else fcntl.LOCK_NB))
        yield


def digest(path: Path) -> str:
    """Return the SHA-256 of the file ``path`` as 64 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def digests(path: Path, *algorithms: str) -> dict[str, str]:
    """Return the digests of the file ``path`` by ``hashlib`` name, reading it once."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            for value in hashes.values():
                value.update(block)
    return {name: value.hexdigest() for name, value in hashes.items()}


def regular(directory: Path) -> Iterator[os.stat_result]:
    """Yield the status of every regular file below ``directory``; links are not followed.

    Files that vanish in the meantime are skipped: directories of instances come and go.
    """
    for parent, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                status = Path(parent, name).lstat()
                if stat.S_ISREG(status.st_mode):
                    yield status


def flush(path: Path) -> None:
    """Flush the file ``path`` to disk."""
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
