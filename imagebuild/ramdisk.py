# SPDX-License-Identifier: Apache-2.0
"""The deploy ramdisk: kernel and initramfs with which Ironic boots a node to write its disk.

Its root is the element ``deploy-ramdisk`` on top of the common base layer. The initramfs is that
root as a cpio archive (newc, zstd), which Linux unpacks into memory. The same root gives the same
bytes: names are sorted, timestamps and inode numbers of the building machine are left out.
"""

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus import files, process, space
from altostratus.errors import AltostratusError
from imagebuild import builder, elements, formats, manifest, packages, recipes
from imagebuild.builder import Job
from imagebuild.cache import IMAGES, Cache, Entry, unchanged
from imagebuild.plan import Action, Step, base_step, reasons
from imagebuild.recipes import Recipe

RELEASE = "bookworm"
LIMIT = 70 * 2**20
"""Largest initramfs in bytes: it is sent to every node and unpacked in its memory."""


@dataclass(frozen=True)
class Part:
    """One of the two files, as build-images writes it and load-image loads it."""

    name: str
    """Name in Glance; TripleO uses the same, and register-nodes looks for it."""
    file: str
    disk_format: str
    """Glance's disk format, and container format."""


KERNEL = Part("bm-deploy-kernel", "deploy-ramdisk.vmlinuz", "aki")
INITRAMFS = Part("bm-deploy-ramdisk", "deploy-ramdisk.initramfs", "ari")
PARTS = (KERNEL, INITRAMFS)

_PACKED = "root.cpio"
# Files of the element in the root: the kernel, and the name of its package.
_KERNEL = Path("boot/vmlinuz")
_KERNEL_PACKAGE = Path("etc/deploy-ramdisk-kernel")


def make_plan(release: str, cache: Cache, directory: Path, force: bool = False) -> list[Step]:
    """Return the steps to the deploy ramdisk of a distribution ``release`` in ``directory``.

    ``force`` builds it anew. Raises InputError when an element is missing.
    """
    path = elements.search_path()
    base = recipes.base_recipe(release, path)
    recipe = recipes.ramdisk_recipe(base, path)
    there = manifest.published(directory)
    if not force and all(_current(there.get(part.name), recipe, directory) for part in PARTS):
        return [Step(recipe, None, Action.CURRENT)]
    if not force and cache.find(IMAGES, recipe):
        return [Step(recipe, None, Action.CACHED)]
    why = reasons(recipe, cache, IMAGES, force)
    return [base_step(base, cache, force), Step(recipe, None, Action.BUILD, why, force)]


def carry_out(plan: Sequence[Step], job: Job) -> list[dict[str, Any]]:
    """Do the steps of make_plan and return the manifest records of both files."""
    builder.sweep(job)
    *bases, step = plan
    for base in bases:
        builder.ensure_base(base, job)
    if step.action is Action.CURRENT:
        there = manifest.published(job.directory)
        if all(builder.is_sound(part.name, job) for part in PARTS):
            return [there[part.name] for part in PARTS]
    with builder.exclusive(job, IMAGES, step.recipe.name):
        entry = None if step.force else job.cache.take(IMAGES, step.recipe, job.progress.note)
        if entry is None and step.recipe.parent and not bases:
            builder.ensure_base(Step(step.recipe.parent, None, Action.CACHED), job)
        return _publish(entry or _build(step.recipe, job), job.directory)


def pack(root: Path, work: Path, target: Path) -> None:
    """Write the directory ``root`` as an initramfs into the file ``target``; ``work`` is scratch.

    Sets the modification times of the files in ``root`` to 0.
    """
    for directory, names, others in os.walk(root):
        for name in (".", *names, *others):
            os.utime(Path(directory, name), (0, 0), follow_symlinks=False)
    listed = "\0".join(_names(root))
    archive = work / _PACKED
    options = ("--create", "--format=newc", "--reproducible", "--null", "--quiet")
    process.run(["cpio", *options, "-O", archive], cwd=root, input=listed, die_with_parent=True)
    compress = ("zstd", "--quiet", "--force", "-12", "--threads=0", "--no-check")
    process.run([*compress, archive, "-o", target], die_with_parent=True)
    archive.unlink()


def _names(root: Path) -> Iterator[str]:
    """Yield the names below ``root`` in a fixed order, each directory before its content."""
    yield "."
    for directory, names, others in os.walk(root):
        names.sort()
        below = Path(directory).relative_to(root)
        yield from sorted(str(below / name) for name in (*names, *others))


def _current(record: dict[str, Any] | None, recipe: Recipe, directory: Path) -> bool:
    if record is None or record.get("key") != recipe.key:
        return False
    return unchanged(directory / record["file"], record)


def _build(recipe: Recipe, job: Job) -> Entry:
    started = time.monotonic()
    with builder.layer(recipe, job) as (archive, work, phases):
        with builder.phase(phases, "initramfs", job, recipe.name):
            root = work / "image"
            with space.needed(work, archive.stat().st_size):
                formats.unpack_root(archive, root)
                archive.unlink()
                inside = packages.list_packages(root)
                kernel = (root / _KERNEL_PACKAGE).read_text().strip()
                (root / _KERNEL).rename(work / KERNEL.file)
                pack(root, work, work / INITRAMFS.file)
        size = (work / INITRAMFS.file).stat().st_size
        if size > LIMIT:
            raise AltostratusError(
                f"the initramfs is {size / 2**20:.0f} MiB, more than {LIMIT / 2**20:.0f} MiB",
                "list more files to leave out in elements/deploy-ramdisk/not-in-the-ramdisk",
            )
        both = work / f"{recipe.key}.tar"
        names = [part.file for part in PARTS]
        options = ("--create", "--sort=name", f"--mtime=@{formats.EPOCH}", "--numeric-owner")
        with space.needed(both, sum((work / name).stat().st_size for name in names)):
            process.run(["tar", *options, "--file", both, "-C", work, *names], die_with_parent=True)
        record = {
            "packages": inside,
            "package_count": len(inside),
            "kernel": kernel,
            "phases": phases,
            "seconds": round(time.monotonic() - started, 1),
            "built": builder.now(),
        }
        return job.cache.store(IMAGES, recipe, both, record)


def _publish(entry: Entry, directory: Path) -> list[dict[str, Any]]:
    """Put both files into ``directory`` and into its manifest; return their records."""
    directory.mkdir(parents=True, exist_ok=True)
    common = {name: entry.record[name] for name in ("key", "kernel", "package_count", "built")}
    with files.lock(directory / ".lock"), contextlib.ExitStack() as stack:
        new = {part: directory / f".{part.file}.new" for part in PARTS}
        for path in new.values():
            stack.callback(path.unlink, missing_ok=True)
        renamed = [f"--transform=s|^{part.file}$|{path.name}|" for part, path in new.items()]
        with space.needed(directory / INITRAMFS.file, entry.path.stat().st_size):
            process.run(["tar", "--extract", "--file", entry.path, "-C", directory, *renamed])
        records = []
        for part, path in new.items():
            path.rename(directory / part.file)
            records.append(_record(part, directory) | common)
        inside = {"key": entry.record["key"], "packages": entry.record["packages"]}
        files.write_json(directory / f"{recipes.RAMDISK}.packages.json", inside)
        manifest.rewrite(directory, records)
    return records


def _record(part: Part, directory: Path) -> dict[str, Any]:
    path = directory / part.file
    status = path.stat()
    return {
        "name": part.name,
        "hypervisor": None,
        "parameter": None,
        "file": part.file,
        "format": part.disk_format,
        "disk_format": part.disk_format,
        "container_format": part.disk_format,
        "properties": {},
        "packages": f"{recipes.RAMDISK}.packages.json",
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        **files.digests(path, "sha256", "sha512"),
    }
