# SPDX-License-Identifier: Apache-2.0
"""Carries out a plan: builds layers and images in parallel, into cache and output directory."""

import contextlib
import datetime
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus import files, space
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS
from imagebuild import dib, downloads, failures, formats, manifest, packages, workdir
from imagebuild.cache import IMAGES, LAYERS, Cache, Entry
from imagebuild.images import Image
from imagebuild.parallel import POLL, check_stopping, run_all
from imagebuild.plan import Action, Step
from imagebuild.recipes import Recipe

# Seconds; shorter phases are in the manifest, but get no line of progress.
SHORTEST_SHOWN = 1.0


@dataclass(frozen=True)
class Job:
    """What all builds of one run have in common."""

    cache: Cache
    directory: Path
    """Output directory."""
    mirrors: Mapping[str, str]
    """Variables from imagebuild.mirrors."""
    progress: Progress
    stopping: threading.Event
    """Set when no further command may be started."""
    keep_failed: bool = False
    """Keep the work directory of a build that fails."""
    shell_on_failure: bool = False
    """Open a shell in the root of a build that fails; standard input is a terminal."""


def carry_out(plan: Sequence[Step], job: Job, jobs: int) -> list[dict[str, Any]]:
    """Do every step of ``plan`` and return the manifest records of its images in order.

    At most ``jobs`` images are built at the same time. The failure of one does not stop the others;
    AltostratusError then names all that failed. An interruption leaves no process behind.
    """
    sweep(job)
    bases = [(step.recipe.name, _base_task(step, job)) for step in plan if not step.image]
    images = [(s.recipe.name, _image_task(s, s.image, job)) for s in plan if s.image]
    run_all(bases, jobs, job.stopping)
    return run_all(images, jobs, job.stopping)


def sweep(job: Job) -> None:
    """Remove what killed builds left in the cache; list the failed builds that were kept."""
    workdir.sweep(job.cache.work)
    downloads.sweep(job.cache.downloads)
    if kept := failures.kept(job.cache.failed):
        names = ", ".join(path.name for path in kept)
        job.progress.note(f"failed builds kept in {job.cache.failed}: {names}")


def _base_task(step: Step, job: Job) -> Callable[[], dict[str, Any]]:
    def task() -> dict[str, Any]:
        ensure_base(step, job)
        return {}

    return task


def ensure_base(step: Step, job: Job) -> None:
    """Build the base layer of ``step``, unless it is in the cache or another process built it."""
    _base(step.recipe, job, force=step.force)


def _base(recipe: Recipe, job: Job, *, force: bool = False) -> Entry:
    with exclusive(job, LAYERS, recipe.name):
        there = None if force else job.cache.take(LAYERS, recipe, job.progress.note)
        return there or _build_base(recipe, job)


@contextlib.contextmanager
def layer(recipe: Recipe, job: Job) -> Iterator[tuple[Path, Path, dict[str, float]]]:
    """Build the root of ``recipe`` on its base.

    Yields the root's archive, a work directory that is removed afterwards, and the seconds of each
    phase.
    """
    base = None
    if recipe.parent:
        base = job.cache.take(LAYERS, recipe.parent, job.progress.note)
    if base is None:
        raise AltostratusError(f"the base layer of {recipe.name} is no longer in the cache")
    with _workplace(recipe, job) as (work, phases):
        yield _build_root(recipe, base.path, work, job, phases), work, phases


def _image_task(step: Step, image: Image, job: Job) -> Callable[[], dict[str, Any]]:
    recipe = step.recipe

    def task() -> dict[str, Any]:
        if step.action is Action.CURRENT and is_sound(recipe.name, job):
            return manifest.refresh(image, job.directory)
        with exclusive(job, IMAGES, recipe.name):
            entry = None if step.force else job.cache.take(IMAGES, recipe, job.progress.note)
            if entry is None and step.action is not Action.BUILD and recipe.parent:
                # The plan did not expect that the base would be needed.
                _base(recipe.parent, job)
            entry = entry or _build_image(image, recipe, job)
            return manifest.publish(entry, image, job.directory)

    return task


def is_sound(name: str, job: Job) -> bool:
    """Return whether the files of a published image have the manifest's digests; say if not."""
    damaged = manifest.damaged(name, job.directory)
    for path in damaged:
        job.progress.note(f"{path} is damaged: its digest is not that of the manifest; made anew")
    return not damaged


def _build_base(recipe: Recipe, job: Job) -> Entry:
    with _workplace(recipe, job) as (work, phases):
        archive = _build_root(recipe, None, work, job, phases)
        return job.cache.store(LAYERS, recipe, archive, {"phases": phases, "built": now()})


def _build_image(image: Image, recipe: Recipe, job: Job) -> Entry:
    started = time.monotonic()
    with layer(recipe, job) as (archive, work, phases):
        with phase(phases, "image file", job, recipe.name):
            made, boot_files, inside = _assemble(image, recipe, archive, work)
        with phase(phases, "digests", job, recipe.name):
            digests = _digests(made)
            booting = {name: (file, _digests(file)) for name, file in boot_files.items()}
        record = {
            **digests,
            **_history(job.cache.newest(IMAGES, recipe.name), inside),
            "packages": inside,
            "package_count": len(inside),
            "phases": phases,
            "seconds": round(time.monotonic() - started, 1),
            "built": now(),
        }
        return job.cache.store(IMAGES, recipe, made, record, booting)


def _history(
    before: Mapping[str, Any] | None, inside: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what the record of a new image says about the build ``before`` it."""
    if before is None:
        return {}
    known = {name: before.get(name) for name in ("key", "sha256", "built")}
    return {"before": {**known, "packages": packages.changes(before["packages"], inside)}}


def _digests(path: Path) -> dict[str, str]:
    return files.digests(path, "sha256", "sha512")


def _build_root(
    recipe: Recipe, parent: Path | None, work: Path, job: Job, phases: dict[str, float]
) -> Path:
    check_stopping(job.stopping)
    log = job.directory / "logs" / f"{recipe.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("")
    with downloads.download_slot(job.cache.downloads) as slot:
        archive, seconds = dib.build_root(
            recipe,
            parent,
            dib.Place(work, slot, log, keep_root=job.keep_failed or job.shell_on_failure),
            job.mirrors,
            lambda phase, taken: _show_phase(job, recipe.name, phase, taken),
        )
    phases.update({name: round(taken, 1) for name, taken in seconds.items()})
    return archive


def _assemble(
    image: Image, recipe: Recipe, archive: Path, work: Path
) -> tuple[Path, dict[str, Path], list[dict[str, Any]]]:
    """Write the image file; return it, its boot files by name, and its packages."""
    root, made = work / "image", work / f"{recipe.key}.{HYPERVISORS[image.hypervisor].suffix}"
    # As good an estimate of the image as there is before it is written.
    size = archive.stat().st_size
    with space.needed(root, size):
        formats.unpack_root(archive, root)
        archive.unlink()
        inside = packages.list_packages(root)
        packages.write_inside(root, recipe.key, inside)
        formats.settle(root)
    with space.needed(made, size):
        boot_files = formats.write(
            image.hypervisor, root, made, recipe.key, partition=image.partition
        )
    return made, boot_files, inside


@contextlib.contextmanager
def _workplace(recipe: Recipe, job: Job) -> Iterator[tuple[Path, dict[str, float]]]:
    """Yield a work directory, which is removed afterwards, and a table for the phases' seconds."""
    with (
        job.progress.step(f"build {recipe.name}"),
        workdir.work_directory(job.cache.work) as work,
    ):
        try:
            yield work, {}
        except Exception as error:
            # An interrupted build has not failed.
            if not job.stopping.is_set():
                _after_failure(recipe, work, job, error)
            raise


def _after_failure(recipe: Recipe, work: Path, job: Job, error: Exception) -> None:
    root = failures.find_root(work)
    if job.shell_on_failure:
        job.progress.note(str(error))
        if root is None:
            job.progress.note(f"no shell: {recipe.name} failed before it had a root")
        else:
            job.progress.note(f"shell in the root of {recipe.name}; hooks are in /tmp/in_target.d")
            environment = {**job.mirrors, **recipe.options}
            failures.open_shell(root, work, environment, job.stopping)
    if job.keep_failed:
        path = failures.keep(work, job.cache.failed, recipe.name)
        inside = f", the root is {path / root.relative_to(work)}" if root else ""
        remove = shlex.join(["rm", "-rf", str(path)])
        _add_hint(error, f"{recipe.name} is kept in {path}{inside}; remove it by: {remove}", job)


def _add_hint(error: Exception, words: str, job: Job) -> None:
    if isinstance(error, AltostratusError):
        error.hint = f"{error.hint}\n{words}" if error.hint else words
    else:
        job.progress.note(words)


@contextlib.contextmanager
def phase(phases: dict[str, float], name: str, job: Job, image: str) -> Iterator[None]:
    """Time the body as phase ``name`` of the build of ``image``."""
    check_stopping(job.stopping)
    started = time.monotonic()
    yield
    phases[name] = round(time.monotonic() - started, 1)
    _show_phase(job, image, name, phases[name])


def _show_phase(job: Job, image: str, phase: str, seconds: float) -> None:
    if seconds >= SHORTEST_SHOWN:
        job.progress.note(f"  {image}: {phase} {seconds:.1f} s")


def now() -> str:
    """Return the time for a record: UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def exclusive(job: Job, kind: str, name: str) -> Iterator[None]:
    """Hold the lock of a layer or image; wait while another process builds it."""
    waiting = False
    while True:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(job.cache.lock(kind, name))
            except BlockingIOError:
                if not waiting:
                    job.progress.note(f"{name}: waiting for another build of it")
                waiting = True
            else:
                yield
                return
        if job.stopping.wait(POLL):
            check_stopping(job.stopping)
