# SPDX-License-Identifier: Apache-2.0
"""Distribution packages that builds have downloaded, kept for later builds.

apt locks its archive directory, and diskimage-builder mounts one directory into every chroot: two
concurrent runs need two directories (slots). All downloads are kept in a pool; a slot starts with
hard links to the pool. apt checks size and digest of every file that it finds there.
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

    It contains all packages of the pool. New ones are added to the pool afterwards, also after a
    failure, so that the next attempt need not download them again.
    """
    pool = parent / "pool"
    with _free_slot(parent) as slot:
        archives = slot / ARCHIVES
        for directory in (pool, archives):
            directory.mkdir(parents=True, exist_ok=True)
        _link_all(pool, archives)
        try:
            yield slot
        finally:
            _link_all(archives, pool)
            with files.lock(parent / ".lock"):
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


def _link_all(source: Path, target: Path) -> None:
    for package in source.glob("*.deb"):
        # Another slot may put the same package there, or drop it.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.link(package, target / package.name)


def _drop_superseded(pool: Path) -> None:
    """Keep the newest version of each package: names are PACKAGE_VERSION_ARCHITECTURE.deb."""
    newest: dict[tuple[str, str], Path] = {}
    for package in sorted(pool.glob("*.deb"), key=lambda path: path.stat().st_mtime_ns):
        name, _, rest = package.name.partition("_")
        older = newest.get((name, rest.rpartition("_")[2]))
        if older:
            older.unlink(missing_ok=True)
        newest[name, rest.rpartition("_")[2]] = package
