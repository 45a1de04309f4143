# SPDX-License-Identifier: Apache-2.0
"""Distribution packages that builds have downloaded, kept for later builds.

apt locks its archive directory, and diskimage-builder mounts one directory into every chroot: two
concurrent runs need two directories (slots). All downloads are kept in a pool, with their digests
beside them; a slot starts with hard links to those of the pool. apt checks the digest of what it
downloads, but of a file that it finds there only the size: so the pool is checked whenever it is
used, and a damaged package is dropped and downloaded again.
"""

import contextlib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from altostratus import files
from imagebuild import workdir

# Where diskimage-builder's element dpkg (root.d/50-shared-apt-cache) looks below DIB_IMAGE_CACHE.
ARCHIVES = Path("apt/debian")

# Wheels that are being downloaded to DIRECTORY/WHAT-KEY, see the element wheelhouse.
_PARTIAL = re.compile(r"-[0-9a-f]{16}\.\w{6}")


@contextlib.contextmanager
def download_slot(parent: Path) -> Iterator[Path]:
    """Yield a directory for DIB_IMAGE_CACHE below ``parent`` for the exclusive use of the caller.

    It contains all packages of the pool that are as they were downloaded. New ones are added to
    the pool afterwards, also after a failure, so that the next attempt need not download them
    again.
    """
    pool = parent / "pool"
    with _free_slot(parent) as slot:
        archives = slot / ARCHIVES
        for directory in (pool, archives):
            directory.mkdir(parents=True, exist_ok=True)
        with files.lock(parent / ".lock"):
            known = _offer(pool, archives)
        try:
            yield slot
        finally:
            with files.lock(parent / ".lock"):
                _collect(archives, pool, known)
                _drop_superseded(pool)


def sweep(parent: Path) -> list[Path]:
    """Remove partial downloads of wheels that killed builds left; return their paths."""
    removed = []
    for slot in sorted(parent.glob("slot-*")):
        with contextlib.suppress(BlockingIOError), files.lock(slot / ".lock", blocking=False):
            for path in sorted(slot.glob("*/*")):
                if _PARTIAL.fullmatch(path.name[-24:]):
                    workdir.remove(path)
                    removed.append(path)
    return removed


@contextlib.contextmanager
def _free_slot(parent: Path) -> Iterator[Path]:
    for number in itertools.count():
        slot = parent / f"slot-{number}"
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(files.lock(slot / ".lock", blocking=False))
            except BlockingIOError:
                continue
            yield slot
            return


def _offer(pool: Path, archives: Path) -> frozenset[int]:
    """Link the sound packages of ``pool`` into ``archives``, and nothing else.

    Returns their inode numbers; what is not sound is removed from the pool.
    """
    for left in archives.glob("*.deb"):
        left.unlink()
    known = set()
    for package in pool.glob("*.deb"):
        if _is_sound(package):
            os.link(package, archives / package.name)
            known.add(package.stat().st_ino)
        else:
            _drop(package)
    return frozenset(known)


def _collect(archives: Path, pool: Path, known: frozenset[int]) -> None:
    """Link the packages in ``archives`` into ``pool``, except for the ``known`` inodes."""
    for package in archives.glob("*.deb"):
        pooled = pool / package.name
        if package.stat().st_ino not in known:
            _drop(pooled)
            files.write_text(_digest_file(pooled), files.digest(package))
            os.link(package, pooled)


def _is_sound(package: Path) -> bool:
    """Return whether ``package`` has the digest that it had when apt had checked it."""
    try:
        return _digest_file(package).read_text() == files.digest(package)
    except OSError:
        return False


def _digest_file(package: Path) -> Path:
    return package.with_name(f"{package.name}.sha256")


def _drop(package: Path) -> None:
    for path in (package, _digest_file(package)):
        path.unlink(missing_ok=True)


def _drop_superseded(pool: Path) -> None:
    """Keep the newest version of each package: names are PACKAGE_VERSION_ARCHITECTURE.deb."""
    newest: dict[tuple[str, str], Path] = {}
    for package in sorted(pool.glob("*.deb"), key=lambda path: path.stat().st_mtime_ns):
        name, _, rest = package.name.partition("_")
        older = newest.get((name, rest.rpartition("_")[2]))
        if older:
            _drop(older)
        newest[name, rest.rpartition("_")[2]] = package
