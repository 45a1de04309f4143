# SPDX-License-Identifier: Apache-2.0
"""Planning and building with everything real but diskimage-builder's run itself."""

import dataclasses
import hashlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from altostratus import process
from altostratus.console import Progress
from altostratus.errors import AltostratusError, InputError
from imagebuild import dib, explain, manifest
from imagebuild.builder import Job, carry_out
from imagebuild.cache import IMAGES, LAYERS, Cache
from imagebuild.images import Image
from imagebuild.manifest import published, read_manifest
from imagebuild.plan import Action, make_plan
from imagebuild.recipes import Recipe

TINY = Image("t-tiny-lxc", "tiny", "lxc", "bookworm", ("tiny",), "TinyImage")
OTHER = Image("t-other-lxc", "other", "lxc", "bookworm", ("other",))
PARTITION = Image("t-tiny-ironic", "tiny", "ironic", "bookworm", ("tiny",), partition=True)

Report = Callable[[str, float], None]
STATUS = """Package: netcat
Status: install ok installed
Architecture: all
Version: {}
Maintainer: x
Description: x
"""


class FakeRuns:
    """Makes a small root instead of a real one, and remembers for what."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.version = "1"
        """Version of the only package on the mirror."""
        self.failing: dict[str, Exception] = {}
        self.during: Callable[[Recipe], None] = lambda recipe: None

    def build_root(
        self, recipe: Recipe, parent: Path | None, place: dib.Place, mirrors: Any, report: Report
    ) -> tuple[Path, dict[str, float]]:
        assert (parent is None) == (recipe.parent is None)
        self.names.append(recipe.name)
        self.during(recipe)
        place.log.write_text("log")
        if recipe.name in self.failing:
            raise self.failing[recipe.name]
        root = place.work / "tree"
        (root / "usr/share").mkdir(parents=True)
        (root / "usr/share/who").write_text(recipe.name)
        (root / "var/lib/dpkg").mkdir(parents=True)
        (root / "var/lib/dpkg/status").write_text(STATUS.format(self.version))
        (root / "boot").mkdir()
        for name in ("vmlinuz", "initrd.img"):
            (root / "boot" / name).write_text(f"{name} of {recipe.name}")
        archive = place.work / "root.tar"
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        report("install", 2.0)
        return archive, {"install": 2.0}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch, own_elements: Path) -> FakeRuns:
    fake = FakeRuns()
    monkeypatch.setattr(dib, "build_root", fake.build_root)
    return fake


@pytest.fixture
def job(cache: Cache, tmp_path: Path) -> Job:
    return Job(cache, tmp_path / "out", {}, Progress(quiet=True), threading.Event())


def build(job: Job, *images: Image, force: bool = False, jobs: int = 2) -> list[dict[str, Any]]:
    return carry_out(make_plan(images, job.cache, job.directory, force), job, jobs)


def actions(job: Job, *images: Image, force: bool = False) -> dict[str, tuple[Action, list[str]]]:
    steps = make_plan(images, job.cache, job.directory, force)
    return {step.recipe.name: (step.action, list(step.reasons)) for step in steps}


def test_first_build_makes_the_base_once(runs: FakeRuns, job: Job) -> None:
    records = build(job, TINY, OTHER)
    assert runs.names[0] == "base-bookworm"
    assert sorted(runs.names[1:]) == ["t-other-lxc", "t-tiny-lxc"]
    assert [record["name"] for record in records] == ["t-tiny-lxc", "t-other-lxc"]
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]


def test_manifest_describes_the_images(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    record = read_manifest(job.directory / "manifest.json")["t-tiny-lxc"]
    image = job.directory / "t-tiny-lxc.raw"
    assert record["file"] == image.name
    assert record["size"] == image.stat().st_size
    digest = subprocess.run(["sha256sum", image], capture_output=True, text=True, check=True).stdout
    assert digest.split()[0] == record["sha256"]
    assert record["properties"] == {"hypervisor_type": "lxc", "hw_vm_mode": "exe"}
    assert (record["disk_format"], record["container_format"]) == ("raw", "bare")
    assert (record["role"], record["parameter"]) == ("tiny", "TinyImage")
    assert set(record["phases"]) == {"install", "image file", "digests"}
    beside = json.loads((job.directory / record["packages"]).read_text())
    assert beside["key"] == record["key"]
    assert (job.directory / "logs" / "t-tiny-lxc.log").read_text() == "log"


def test_partition_image_comes_with_its_kernel_and_ramdisk(
    runs: FakeRuns, job: Job, tmp_path: Path
) -> None:
    (record,) = build(job, PARTITION)
    assert {name: part["file"] for name, part in record["boot_files"].items()} == {
        "kernel": "t-tiny-ironic.kernel",
        "ramdisk": "t-tiny-ironic.ramdisk",
    }
    kernel = job.directory / "t-tiny-ironic.kernel"
    assert kernel.read_text() == "vmlinuz of t-tiny-ironic"
    digest = hashlib.sha512(kernel.read_bytes()).hexdigest()
    assert record["boot_files"]["kernel"]["sha512"] == digest
    assert actions(job, PARTITION) == {"t-tiny-ironic": (Action.CURRENT, [])}
    # Another kind of image under the same name, and back from the cache.
    assert actions(job, dataclasses.replace(PARTITION, partition=False))["t-tiny-ironic"] == (
        Action.BUILD,
        ["image format changed"],
    )
    kernel.unlink()
    assert actions(job, PARTITION) == {"t-tiny-ironic": (Action.CACHED, [])}
    runs.names.clear()
    build(job, PARTITION)
    assert kernel.exists()
    assert runs.names == []


def test_nothing_changed_nothing_built(runs: FakeRuns, job: Job) -> None:
    first = build(job, TINY)
    runs.names.clear()
    assert actions(job, TINY) == {"t-tiny-lxc": (Action.CURRENT, [])}
    assert build(job, TINY) == first
    assert runs.names == []


def test_other_output_directory_takes_it_from_the_cache(
    runs: FakeRuns, job: Job, tmp_path: Path
) -> None:
    build(job, TINY)
    runs.names.clear()
    second = dataclasses.replace(job, directory=tmp_path / "second")
    assert actions(second, TINY) == {"t-tiny-lxc": (Action.CACHED, [])}
    build(second, TINY)
    assert runs.names == []
    assert (tmp_path / "second/t-tiny-lxc.raw").samefile(job.directory / "t-tiny-lxc.raw")


def test_plan_says_why(runs: FakeRuns, job: Job, own_elements: Path) -> None:
    assert actions(job, TINY) == {
        "base-bookworm": (Action.BUILD, ["never built"]),
        "t-tiny-lxc": (Action.BUILD, ["never built"]),
    }
    build(job, TINY, OTHER)
    (own_elements / "tiny" / "install.d" / "50-tiny").write_text("#!/bin/sh\n")
    assert actions(job, TINY, OTHER) == {
        "base-bookworm": (Action.CACHED, []),
        "t-tiny-lxc": (Action.BUILD, ["tiny/install.d/50-tiny changed"]),
        "t-other-lxc": (Action.CURRENT, []),
    }
    runs.names.clear()
    build(job, TINY, OTHER)
    assert runs.names == ["t-tiny-lxc"]
    assert actions(job, TINY, force=True) == {
        "base-bookworm": (Action.BUILD, ["forced"]),
        "t-tiny-lxc": (Action.BUILD, ["forced"]),
    }


def test_planning_changes_nothing(runs: FakeRuns, job: Job) -> None:
    make_plan([TINY], job.cache, job.directory)
    assert not job.directory.exists()
    assert not job.cache.root.exists()


def test_force_builds_what_is_current(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    runs.names.clear()
    build(job, TINY, force=True)
    assert runs.names == ["base-bookworm", "t-tiny-lxc"]


def test_damaged_output_is_mended(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    image = job.directory / "t-tiny-lxc.raw"
    image.chmod(0o644)
    with image.open("r+b") as stream:
        stream.write(b"broken")
    # It is the cached file too.
    reason = "its file is missing or was changed"
    assert actions(job, TINY)["t-tiny-lxc"] == (Action.BUILD, [reason])
    build(job, TINY)
    assert image.read_bytes()[:6] != b"broken"


def flip(path: Path) -> None:
    """Flip a bit of ``path``; size and time stay."""
    before = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as stream:
        stream.seek(5000)
        byte = stream.read(1)
        stream.seek(5000)
        stream.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_flipped_bit_is_not_published(
    runs: FakeRuns, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (record,) = build(job, TINY)
    loud = dataclasses.replace(job, progress=Progress())
    image = job.directory / "t-tiny-lxc.raw"
    flip(image)
    runs.names.clear()
    assert build(loud, TINY)[0]["sha256"] == record["sha256"]
    assert hashlib.sha256(image.read_bytes()).hexdigest() == record["sha256"]
    # The image in the cache was the same file.
    assert runs.names == ["t-tiny-lxc"]
    assert f"{image} is damaged" in capsys.readouterr().err
    # Another directory takes it from the cache.
    flip(image)
    runs.names.clear()
    second = dataclasses.replace(job, directory=tmp_path / "second")
    build(second, TINY)
    assert runs.names == ["t-tiny-lxc"]


def test_a_damaged_base_is_built_anew(runs: FakeRuns, job: Job, own_elements: Path) -> None:
    build(job, TINY)
    (base,) = (job.cache.root / LAYERS).glob("*/*.tar")
    flip(base)
    (own_elements / "tiny" / "install.d" / "50-tiny").write_text("#!/bin/sh\n")
    runs.names.clear()
    build(job, TINY)
    assert runs.names == ["base-bookworm", "t-tiny-lxc"]


def test_same_key_same_image(runs: FakeRuns, job: Job, tmp_path: Path) -> None:
    """And what differs, the packages of the mirror, is said."""
    (first,) = build(job, TINY)
    (again,) = build(job, TINY, force=True)
    assert (again["key"], again["sha256"]) == (first["key"], first["sha256"])
    assert explained(job) == ["last built", "since the build of: the same content"]
    runs.version = "2"
    (renewed,) = build(job, TINY, force=True)
    assert renewed["key"] == first["key"]
    assert renewed["sha256"] != first["sha256"]
    assert explained(job)[1] == "since the build of: the same inputs; netcat 1 → 2"
    # One output directory has the build before.
    old = dataclasses.replace(job, directory=tmp_path / "old")
    build(old, TINY)
    runs.version = "3"
    build(job, TINY, force=True)
    assert explained(old)[2].endswith("is an older build: the same inputs; netcat 2 → 3")


def explained(job: Job) -> list[str]:
    """Return the lines of --explain without times and digests."""
    (step,) = make_plan([TINY], job.cache, job.directory)
    lines = list(explain.history(step, job.cache, job.directory))
    assert lines[0].startswith("last built 20")
    return ["last built", *(re.sub(r"of 20.*?\):", "of:", line) for line in lines[1:])]


def test_plan_speaks_of_the_future(
    runs: FakeRuns, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed(job: Job) -> list[str]:
        steps = make_plan([TINY], job.cache, job.directory)
        explain.print_plan(steps, job.cache, job.directory, as_json=False, thoroughly=False)
        return capsys.readouterr().out.splitlines()

    assert printed(job) == [
        "base-bookworm  would build  never built",
        "t-tiny-lxc     would build  never built",
    ]
    build(job, TINY)
    assert printed(job) == ["t-tiny-lxc  current"]
    second = dataclasses.replace(job, directory=tmp_path / "second")
    assert printed(second) == ["t-tiny-lxc  would use the cache"]


def test_role_and_parameter_are_kept_up_to_date(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    runs.names.clear()
    build(job, dataclasses.replace(TINY, parameter="Renamed"))
    assert published(job.directory)["t-tiny-lxc"]["parameter"] == "Renamed"
    assert runs.names == []


def test_records_of_other_images_stay_while_their_files_do(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    build(job, OTHER)
    assert set(published(job.directory)) == {"t-tiny-lxc", "t-other-lxc"}
    (job.directory / "t-tiny-lxc.raw").unlink()
    build(job, OTHER, force=True)
    assert set(published(job.directory)) == {"t-other-lxc"}


def test_a_parameter_takes_the_image_that_was_built_last(runs: FakeRuns, job: Job) -> None:
    docker = dataclasses.replace(TINY, name="t-tiny-docker", hypervisor="docker")
    for image, other in ((TINY, docker), (docker, TINY), (TINY, docker)):
        build(job, image)
        records = published(job.directory)
        assert records[image.name]["parameter"] == "TinyImage"
        assert other.name not in records or records[other.name]["parameter"] is None


def test_one_failure_does_not_stop_the_others(runs: FakeRuns, job: Job) -> None:
    runs.failing["t-tiny-lxc"] = AltostratusError("no such package", "correct it")
    with pytest.raises(AltostratusError, match="no such package"):
        build(job, TINY, OTHER)
    assert set(published(job.directory)) == {"t-other-lxc"}
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]
    del runs.failing["t-tiny-lxc"]
    build(job, TINY, OTHER)
    assert set(published(job.directory)) == {"t-tiny-lxc", "t-other-lxc"}


def test_all_failures_are_named(runs: FakeRuns, job: Job) -> None:
    for name in ("t-tiny-lxc", "t-other-lxc"):
        runs.failing[name] = AltostratusError(f"{name} is bad", "the same hint")
    with pytest.raises(AltostratusError) as caught:
        build(job, TINY, OTHER)
    assert "2 of 2 images failed" in caught.value.message
    assert "t-tiny-lxc is bad" in caught.value.message
    assert "t-other-lxc is bad" in caught.value.message
    assert caught.value.hint == "the same hint"


def test_full_disk_leaves_the_old_image(
    runs: FakeRuns, job: Job, own_elements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(job, TINY)
    before = (job.directory / "manifest.json").read_text()

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("imagebuild.manifest._copy", full)
    monkeypatch.setattr(os, "link", lambda source, target: (_ for _ in ()).throw(OSError(18, "x")))
    (own_elements / "tiny" / "install.d" / "50-tiny").write_text("#!/bin/sh\n")
    with pytest.raises(OSError, match="No space left"):
        build(job, TINY)
    assert (job.directory / "manifest.json").read_text() == before
    assert not [path for path in job.directory.iterdir() if path.name.endswith(".new")]


def test_interruption_stops_every_command(runs: FakeRuns, job: Job) -> None:
    """Ctrl-C while two images are being built: both commands die, nothing is left."""
    started = threading.Barrier(3)

    def slow(recipe: Recipe) -> None:
        if recipe.parent:
            started.wait(20)
            process.run(["sleep", "1000"])

    def interrupt() -> None:
        started.wait(20)
        os.kill(os.getpid(), signal.SIGINT)

    runs.during = slow
    thread = threading.Thread(target=interrupt)
    thread.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(job, TINY, OTHER)
    thread.join()
    assert time.monotonic() - before < 20
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]
    assert published(job.directory) == {}


def test_a_second_interruption_kills(runs: FakeRuns, job: Job) -> None:
    """A hook that ignores SIGTERM; the first Ctrl-C gives it seconds, the second none."""
    started = threading.Barrier(2)

    def stubborn(recipe: Recipe) -> None:
        if recipe.parent:
            log = job.directory / "stubborn"
            begun = ["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done"]
            process.run(begun, log=log, on_line=lambda line: started.wait(20) and None)

    def interrupt() -> None:
        started.wait(20)
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.3)

    runs.during = stubborn
    thread = threading.Thread(target=interrupt)
    thread.start()
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(job, TINY)
    thread.join()
    assert time.monotonic() - before < process.GRACE
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]


def test_work_of_the_dead_is_swept_at_the_start(runs: FakeRuns, job: Job) -> None:
    dead = job.cache.work / "tmpdead"
    (dead / "half").mkdir(parents=True)
    build(job, TINY)
    assert not dead.exists()


def half_a_root(job: Job) -> Callable[[Recipe], None]:
    """Return what makes a root in the work directory of an image, as disk-image-create does."""

    def make(recipe: Recipe) -> None:
        if recipe.parent:
            (work,) = (path for path in job.cache.work.iterdir() if path.is_dir())
            (work / "tmp/dib_build.abc/mnt/usr").mkdir(parents=True)

    return make


def test_failed_builds_are_kept_by_name(
    runs: FakeRuns, job: Job, capsys: pytest.CaptureFixture[str]
) -> None:
    keeping = dataclasses.replace(job, keep_failed=True, progress=Progress())
    runs.during = half_a_root(job)
    for name in ("t-tiny-lxc", "t-tiny-lxc.2"):
        runs.failing["t-tiny-lxc"] = AltostratusError("no such package", "correct it")
        with pytest.raises(AltostratusError, match="no such package") as caught:
            build(keeping, TINY)
        path = job.cache.failed / name
        root = path / "tmp/dib_build.abc/mnt"
        assert (root / "usr").is_dir()
        assert caught.value.hint == (
            f"correct it\nt-tiny-lxc is kept in {path}, the root is {root}; "
            f"remove it by: rm -rf {path}"
        )
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]
    capsys.readouterr()
    runs.failing.clear()
    runs.during = lambda recipe: None
    build(keeping, TINY)
    # No sweep removes them, but nobody forgets them.
    names = [path.name for path in sorted(job.cache.failed.iterdir())]
    assert names == ["t-tiny-lxc", "t-tiny-lxc.2"]
    note = f"failed builds kept in {job.cache.failed}: t-tiny-lxc, t-tiny-lxc.2\n"
    assert note in capsys.readouterr().err


def test_a_build_that_fails_after_its_root_is_kept_too(
    runs: FakeRuns, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imagebuild.formats.write", full)
    keeping = dataclasses.replace(job, keep_failed=True, progress=Progress())
    with pytest.raises(AltostratusError, match=r"No space left.*\.raw needs \d+ bytes") as caught:
        build(keeping, TINY)
    root = job.cache.failed / "t-tiny-lxc" / "image"
    assert (root / "usr/share/who").read_text() == "t-tiny-lxc"
    assert f"the root is {root}" in str(caught.value.hint)


def test_an_interrupted_build_is_not_kept(runs: FakeRuns, job: Job) -> None:
    def stop(recipe: Recipe) -> None:
        if recipe.parent:
            job.stopping.set()

    runs.during = stop
    runs.failing["t-tiny-lxc"] = AltostratusError("killed")
    with pytest.raises(AltostratusError, match="killed"):
        build(dataclasses.replace(job, keep_failed=True), TINY)
    assert not job.cache.failed.exists()
    assert list(job.cache.work.iterdir()) == [job.cache.work / ".lock"]


def test_the_shell_is_opened_before_the_root_goes(
    runs: FakeRuns, job: Job, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    roots: list[Path] = []

    def interact(argv: list[str], *, env: dict[str, str], stop: threading.Event) -> int:
        (root,) = (Path(word) for word in argv if word.endswith("/mnt"))
        assert (root / "usr").is_dir() and argv[0] == "unshare"
        assert env["DIB_RELEASE"] == "bookworm" and stop is job.stopping
        roots.append(root)
        return 0

    monkeypatch.setattr(process, "interact", interact)
    shelled = dataclasses.replace(job, shell_on_failure=True, progress=Progress())
    runs.failing["t-tiny-lxc"] = AltostratusError("no such package")
    with pytest.raises(AltostratusError, match="no such package"):
        build(shelled, TINY)
    assert roots == []
    assert "no shell: t-tiny-lxc failed before it had a root" in capsys.readouterr().err
    runs.during = half_a_root(job)
    with pytest.raises(AltostratusError, match="no such package"):
        build(shelled, TINY)
    assert len(roots) == 1
    assert not roots[0].exists() and not job.cache.failed.exists()
    assert "no such package\nshell in the root of t-tiny-lxc" in capsys.readouterr().err


def test_second_builder_waits_and_uses_the_first_ones_image(
    runs: FakeRuns, job: Job, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = dataclasses.replace(job, directory=tmp_path / "second", progress=Progress())
    plan = make_plan([TINY], job.cache, second.directory)
    waiting = threading.Event()

    def start_second(recipe: Recipe) -> None:
        if recipe.parent and not waiting.is_set():
            waiting.set()
            other.start()
            time.sleep(1)

    # The base is done when the second starts, so it only waits for the image.
    plan = [step for step in plan if step.image]
    other = threading.Thread(target=lambda: carry_out(plan, second, 1))
    runs.during = start_second
    build(job, TINY)
    other.join()
    assert runs.names == ["base-bookworm", "t-tiny-lxc"]
    assert "t-tiny-lxc: waiting for another build of it" in capsys.readouterr().err
    assert set(published(second.directory)) == {"t-tiny-lxc"}


def test_vanished_base_is_a_clear_error(runs: FakeRuns, job: Job) -> None:
    build(job, TINY)
    plan = [
        dataclasses.replace(step, action=Action.BUILD, force=True)
        for step in make_plan([TINY], job.cache, job.directory)
    ]
    base = plan[0].recipe.parent
    assert base
    entry = job.cache.find(LAYERS, base)
    assert entry
    entry.path.unlink()
    with pytest.raises(AltostratusError, match="base layer of t-tiny-lxc is no longer"):
        carry_out(plan, job, 1)
    assert job.cache.find(IMAGES, plan[0].recipe)


def test_everything_unknown_is_named_before_anything_is_built(job: Job, own_elements: Path) -> None:
    images = [
        dataclasses.replace(TINY, elements=("tinny", "otherr")),
        dataclasses.replace(OTHER, release="bookwurm", elements=("zzz",)),
    ]
    with pytest.raises(InputError) as caught:
        make_plan(images, job.cache, job.directory)
    assert caught.value.message.splitlines() == [
        "t-tiny-lxc: there is no element tinny; did you mean tiny?",
        "t-tiny-lxc: there is no element otherr; did you mean other?",
        "t-other-lxc: unknown release bookwurm; known: bookworm, trixie",
        "t-other-lxc: there is no element zzz",
    ]


def test_an_image_is_written_through_a_link(tmp_path: Path) -> None:
    """Its owner keeps it on another disk."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "new").write_text("new")
    (tmp_path / "disk/image").write_text("old")
    (tmp_path / "image").symlink_to("disk/image")
    manifest._place(tmp_path / "new", tmp_path / "image")
    assert (tmp_path / "image").is_symlink()
    assert (tmp_path / "disk/image").read_text() == "new"
    assert [path.name for path in (tmp_path / "disk").iterdir()] == ["image"]
