# SPDX-License-Identifier: Apache-2.0
"""Atomic writes, locks between processes, digests."""

import contextlib
import errno
import fcntl
import hashlib
import json
import logging
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from altostratus import space

logger = logging.getLogger(__name__)


def write_text(path: Path, text: str, mode: int = 0o644, follow: bool = True) -> None:
    """Write ``text`` (UTF-8) to ``path`` atomically and with exactly ``mode``, whatever the umask.

    Readers see the old content or the new: a temporary file in the same directory gets its mode,
    then its content, is flushed to disk and renamed. Missing parent directories are created. With
    ``follow``, a symbolic link stays one, and the file that it leads to is written; without, as
    below the root of a container, whose links mean other files there, the link is replaced. Raises
    NoSpaceError that names path and size if the disk is full, and OSError, such as ELOOP for links
    that lead to each other.
    """
    path = target(path) if follow else path
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


def target(path: Path) -> Path:
    """Return the file that the symbolic link ``path`` leads to, or ``path`` if it is none.

    Whoever replaces that file keeps the link. The file need not exist. Raises OSError (ELOOP) for
    links that lead to each other.
    """
    if not path.is_symlink():
        return path
    found = Path(os.path.realpath(path))
    if found.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return found


def write_json(path: Path, data: Any, mode: int = 0o644) -> None:
    """Write ``data`` as indented JSON with a final newline, as ``write_text`` does."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n", mode)


def private_directory(path: Path) -> None:
    """Make the directory ``path`` and its parents; nobody but its owner may enter it (0700).

    It has secrets, or files that programs wrote with modes of their own. One that exists gets the
    mode, too.
    """
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


@contextlib.contextmanager
def lock(path: Path, blocking: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on the file ``path`` (created if missing, never removed).

    The kernel releases the lock when the process dies. With ``blocking`` False, BlockingIOError is
    raised at once if another process or thread holds it; otherwise the wait is logged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as stream:
        _acquire(stream.fileno(), path, blocking)
        yield


@contextlib.contextmanager
def lock_directory(directory: Path) -> Iterator[None]:
    """Hold an exclusive lock on ``directory`` itself, in which it leaves no file.

    The directory is made if it is missing, and removed again if the body fails and leaves it empty.
    A wait for another process or thread is logged. Raises OSError if there is no such directory and
    none can be made.
    """
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    descriptor = _locked(directory)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for one in missing:
                one.rmdir()
        raise
    finally:
        os.close(descriptor)


def _locked(directory: Path) -> int:
    """Return an open descriptor of the locked ``directory``."""
    while True:
        directory.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            stack.callback(os.close, descriptor)
            _acquire(descriptor, directory, blocking=True)
            # While this one waited, another may have removed the directory.
            if os.path.samestat(os.fstat(descriptor), directory.stat()):
                stack.pop_all()
                return descriptor


def _acquire(descriptor: int, path: Path, blocking: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        if not blocking:
            raise
        logger.info("waiting for another command, which has locked %s", path)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


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
