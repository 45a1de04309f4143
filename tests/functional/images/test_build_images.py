# SPDX-License-Identifier: Apache-2.0
"""build-images for real: diskimage-builder, a Debian mirror, root; and what may go wrong there."""

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import killpoint
import pytest
import yaml

from altostratus import datafiles
from imagebuild import cache

pytestmark = pytest.mark.gate

BUILD_IMAGES = Path(sys.executable).with_name("build-images")
ELEMENTS = {
    # One small package of Debian.
    "tiny": {"package-installs.yaml": "netcat-openbsd:\n"},
    "endless": {"install.d/50-endless": "#!/bin/bash\necho endless begins\nsleep 1000\n"},
    "stubborn": {
        "install.d/50-stubborn": "#!/bin/bash\ntrap '' INT TERM\necho stubborn begins\n"
        "while :; do sleep 1; done\n"
    },
    "broken": {"package-installs.yaml": "no-such-package:\n"},
    "failing": {"install.d/50-failing": "#!/bin/bash\necho half > /half-built\nfalse\n"},
}


@dataclass(frozen=True)
class Builds:
    """A cache and elements of the tests' own."""

    directory: Path
    before: frozenset[Path]
    """What others have left in /tmp."""

    @property
    def cache(self) -> Path:
        return self.directory / "cache"

    @property
    def output(self) -> Path:
        return self.directory / "images"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "ALTOSTRATUS_CACHE": str(self.cache),
            "ELEMENTS_PATH": str(self.directory / "elements"),
        }

    def start(self, role: str, *more: str, umask: int = -1, **env: str) -> subprocess.Popen[str]:
        command = [BUILD_IMAGES, "-c", self.directory / "images.yaml", "--role", role]
        options = [] if "-o" in more else ["-o", self.output]
        return subprocess.Popen(
            [*command, *options, *more],
            env={**os.environ, **self.environment, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            umask=umask,
        )

    def run(self, role: str, *more: str, umask: int = -1, **env: str) -> tuple[int, str, str]:
        child = self.start(role, *more, umask=umask, **env)
        out, err = child.communicate()
        return child.returncode, out, err

    def work(self) -> list[str]:
        """Work directories that are left, of the living and the dead."""
        return [path.name for path in (self.cache / "work").iterdir() if path.is_dir()]

    def leftovers(self) -> list[str]:
        """Processes, mounts and loop devices of these builds, and mmdebstrap's files."""
        mark = str(self.directory)
        found = [f"in /tmp: {path}" for path in temporary() - self.before]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if process.name != str(os.getpid()) and mark in (process / "environ").read_text():
                    found.append(f"process {process.name}: {(process / 'cmdline').read_text()}")
        found += [line for line in Path("/proc/mounts").read_text().splitlines() if mark in line]
        loops = subprocess.run(["losetup", "-a"], capture_output=True, text=True, check=True).stdout
        return found + [line for line in loops.splitlines() if mark in line]


def temporary() -> frozenset[Path]:
    """Return what mmdebstrap keeps in /tmp while it runs; by sudo, TMPDIR does not reach it."""
    return frozenset(Path("/tmp").glob("mmdebstrap.*"))


@pytest.fixture(scope="module")
def builds(scratch: Path) -> Builds:
    directory = scratch / "build-images"
    # A copy: somebody may be working on the elements while the tests run.
    shutil.copytree(datafiles.elements_path(), directory / "elements")
    for name, files in ELEMENTS.items():
        for path, text in {"element-deps": "package-installs\n", **files}.items():
            file = directory / "elements" / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(0o755 if ".d/" in path else 0o644)
    images = [
        {
            "name": f"t-{name}-lxc",
            "role": name,
            "hypervisor": "lxc",
            "release": "bookworm",
            "elements": [name],
        }
        for name in (*ELEMENTS, "memcached")
    ]
    (directory / "images.yaml").write_text(yaml.safe_dump({"images": images}))
    # Of the same elements, whose digests are all that the cache looks at.
    layers = cache.default_root() / cache.LAYERS
    if layers.exists():
        shutil.copytree(layers, directory / "cache" / cache.LAYERS)
    return Builds(directory, temporary())


@pytest.fixture(scope="module")
def tiny(builds: Builds) -> Path:
    """A real image with one package; the base layer is in the cache afterwards."""
    code, out, err = builds.run("tiny")
    assert code == 0, err
    assert out == f"{builds.output}/t-tiny-lxc.raw\n"
    assert builds.leftovers() == []
    return builds.output / "t-tiny-lxc.raw"


def debugfs(image: Path, request: str) -> str:
    command = ["debugfs", "-R", request, image]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(condition: object, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"no {what} within {seconds} s"
        time.sleep(0.2)


def test_image_is_a_sound_file_system(tiny: Path) -> None:
    subprocess.run(["e2fsck", "-fn", tiny], check=True, capture_output=True)
    assert "Type: symlink" in debugfs(tiny, "stat /sbin/init")
    for directory in ("proc", "sys", "dev", "run", "tmp"):
        assert "Type: directory" in debugfs(tiny, f"stat /{directory}")


def test_image_knows_nothing_of_the_builder(tiny: Path) -> None:
    assert debugfs(tiny, "cat /etc/machine-id").strip() in ("", "uninitialized")
    assert debugfs(tiny, "cat /etc/fstab") == ""
    resolv = Path("/etc/resolv.conf").read_text()
    assert debugfs(tiny, "cat /etc/resolv.conf") != resolv
    assert ".resolv.conf" not in debugfs(tiny, "ls -p /etc")
    assert debugfs(tiny, "ls -p /tmp").count("/") == debugfs(tiny, "ls -p /mnt").count("/")
    assert "ssh_host" not in debugfs(tiny, "ls -p /etc/ssh")
    shadow = debugfs(tiny, "cat /etc/shadow").splitlines()
    assert shadow
    assert all(line.split(":")[1] in ("*", "!", "!*", "!!") for line in shadow)
    apt = debugfs(tiny, "ls -p /etc/apt/apt.conf.d")
    assert "proxy" not in apt
    for name in ("policy-rc.d", "start-stop-daemon.REAL"):
        assert name not in debugfs(tiny, "ls -p /usr/sbin")


def test_image_keeps_working_package_sources(tiny: Path) -> None:
    names = debugfs(tiny, "ls -p /etc/apt/sources.list.d")
    assert "security.list" in names
    assert debugfs(tiny, "cat /etc/apt/sources.list.d/default.list").startswith("deb http")


def test_manifest_and_package_lists_agree(tiny: Path, builds: Builds) -> None:
    (record,) = json.loads((builds.output / "manifest.json").read_text())["images"]
    digest = subprocess.run(["sha256sum", tiny], capture_output=True, text=True, check=True).stdout
    assert digest.split()[0] == record["sha256"]
    beside = json.loads((builds.output / record["packages"]).read_text())
    inside = json.loads(debugfs(tiny, "cat /usr/share/altostratus/packages.json"))
    assert beside == {"image": "t-tiny-lxc", **inside}
    names = {package["name"] for package in beside["packages"]}
    assert {"netcat-openbsd", "systemd", "python3"} <= names
    assert not any(name.startswith("linux-image") for name in names)
    assert len(beside["packages"]) == record["package_count"]
    assert record["phases"]["install"] > 0


def test_second_run_builds_nothing(tiny: Path, builds: Builds) -> None:
    before = tiny.stat()
    code, out, err = builds.run("tiny", "--dry-run", "--json")
    assert (code, json.loads(out)["plan"][0]["action"]) == (0, "current"), err
    code, _, err = builds.run("tiny")
    # The elements of these tests are copies of ours, which is said.
    others = [line for line in err.splitlines() if not line.startswith("note: element ")]
    assert (code, others) == (0, [])
    assert tiny.stat().st_ino == before.st_ino


def test_failed_build_is_kept(tiny: Path, builds: Builds) -> None:
    code, out, err = builds.run("failing", "--keep-failed")
    assert (code, out) == (1, "")
    kept = builds.cache / "failed" / "t-failing-lxc"
    (root,) = kept.glob("tmp/dib_build.*/mnt")
    assert f"t-failing-lxc is kept in {kept}, the root is {root}" in err
    assert (root / "half-built").read_text() == "half\n"
    assert (root / "usr/bin/apt-get").exists()
    assert builds.leftovers() == []
    assert builds.work() == []
    # The next start sweeps; what is kept stays, and is named.
    code, _, err = builds.run("tiny")
    assert code == 0, err
    assert f"failed builds kept in {kept.parent}: t-failing-lxc" in err
    assert (root / "half-built").exists()
    shutil.rmtree(kept)


def test_shell_in_a_failed_root(tiny: Path, builds: Builds) -> None:
    """On a terminal: it sees the root as a hook does, and what it runs cannot outlive it."""
    command = [BUILD_IMAGES, "-c", builds.directory / "images.yaml", "--role", "failing"]
    command += ["-o", builds.output, "--shell-on-failure"]
    line = shlex.join(str(word) for word in command)
    typed = [
        "cat /half-built; echo $HOME $DIB_RELEASE",
        "ls /tmp/in_target.d/install.d; touch /tmp/in_target.d/x",
        "echo x > /dev/full; sleep 1000 &",
        "exit",
    ]
    child = subprocess.Popen(
        ["script", "--quiet", "--command", line, "/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "ALTOSTRATUS_CACHE": str(builds.cache),
            "ELEMENTS_PATH": str(builds.directory / "elements"),
        },
    )
    screen, _ = child.communicate("".join(f"{line}\n" for line in typed), timeout=600)
    assert "building t-failing-lxc failed" in screen
    assert "\nhalf\n" in screen, screen
    assert "/root bookworm\n" in screen, screen
    assert "50-failing" in screen and "Read-only file system" in screen, screen
    assert "No space left on device" in screen, screen
    assert builds.leftovers() == []
    assert builds.work() == []
    assert not list((builds.cache / "failed").glob("*"))


def test_missing_package_is_a_clear_error(tiny: Path, builds: Builds) -> None:
    code, out, err = builds.run("broken")
    assert (code, out) == (1, "")
    assert "Unable to locate package no-such-package" in err
    assert "the release has no such package" in err
    assert "no-such-package" in (builds.output / "logs" / "t-broken-lxc.log").read_text()
    assert builds.leftovers() == []
    assert builds.work() == []


@pytest.mark.full
def test_same_key_same_content(builds: Builds) -> None:
    """Two builds from the base layer on, with other caches, times, umasks and environments."""
    digests, images = [], []
    for number, (umask, zone) in enumerate(((0o022, "UTC"), (0o077, "Asia/Tokyo"))):
        own = builds.directory / f"cache-{number}"
        shutil.copytree(
            cache.default_root() / "downloads/pool", own / "downloads/pool", copy_function=os.link
        )
        output = builds.directory / f"same-{number}"
        code, _, err = builds.run(
            *("memcached", "-o", str(output)), umask=umask, ALTOSTRATUS_CACHE=str(own), TZ=zone
        )
        assert code == 0, err
        (record,) = json.loads((output / "manifest.json").read_text())["images"]
        digests.append((record["key"], record["sha256"]))
        images.append(output / record["file"])
    assert digests[0] == digests[1], different_files(*images)


def different_files(one: Path, two: Path) -> str:
    """Return which files differ in two ext4 images."""
    for image in (one, two):
        image.with_suffix(".root").mkdir()
        debugfs(image, f"rdump / {image.with_suffix('.root')}")
    command = ["diff", "--recursive", "--brief", "--no-dereference"]
    roots = [image.with_suffix(".root") for image in (one, two)]
    return subprocess.run([*command, *roots], capture_output=True, text=True).stdout


@pytest.mark.full
def test_a_mirror_that_hangs_ends_the_build(tiny: Path, builds: Builds) -> None:
    """A proxy that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        proxy = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        code, _, err = builds.run("tiny", "--force", http_proxy=proxy)
    assert code == 1
    assert time.monotonic() - started < 600
    assert "check the network" in err
    assert builds.leftovers() == []
    assert builds.work() == []


@pytest.mark.full
def test_a_second_interruption_ends_a_build_at_once(tiny: Path, builds: Builds) -> None:
    child = endless(builds, "stubborn")
    child.send_signal(signal.SIGINT)
    time.sleep(0.5)
    child.send_signal(signal.SIGINT)
    started = time.monotonic()
    _, err = child.communicate(timeout=30)
    assert time.monotonic() - started < 4
    assert (child.returncode, "error: interrupted" in err) == (130, True)
    assert builds.leftovers() == []
    assert builds.work() == []


@pytest.mark.full
def test_unreachable_mirror_is_a_clear_error(tiny: Path, builds: Builds) -> None:
    code, _, err = builds.run("tiny", "--force", http_proxy="http://127.0.0.1:9")
    assert code == 1
    assert "check the network" in err
    assert builds.leftovers() == []
    assert builds.work() == []
    # Neither the base layer nor the image was touched.
    code, out, _ = builds.run("tiny", "--dry-run")
    assert "current" in out


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)
        path.rmdir()


def test_full_cache_is_a_clear_error(tiny: Path, builds: Builds) -> None:
    with small_disk(builds.directory / "small", "12M") as small:
        output = str(builds.directory / "other")
        code, _, err = builds.run("tiny", "-o", output, ALTOSTRATUS_CACHE=str(small))
        assert code == 1
        assert "make room on" in err
        assert re.search(r"needs (up to )?\d+ bytes", err), err
        assert not list(small.glob("layers/*/*.tar"))
        assert not [path for path in (small / "work").iterdir() if path.is_dir()]
    assert builds.leftovers() == []


@pytest.mark.full
def test_full_output_disk_is_a_clear_error(tiny: Path, builds: Builds) -> None:
    with small_disk(builds.directory / "small", "10M") as small:
        code, _, err = builds.run("tiny", "-o", str(small))
        assert code == 1
        assert f"{small}/" in err
        assert "No space left on device" in err
        assert re.search(r"needs \d+ bytes", err), err
        assert [path.name for path in small.iterdir()] == [".lock"]


def endless(builds: Builds, role: str = "endless") -> subprocess.Popen[str]:
    """Start a build that does not end by itself, and wait until it is inside the image."""
    log = builds.output / "logs" / f"t-{role}-lxc.log"
    log.unlink(missing_ok=True)
    child = builds.start(role)
    wait_for(lambda: log.exists() and f"{role} begins" in log.read_text(), 240, "build")
    return child


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)]
)
def test_interrupted_build_leaves_nothing(
    tiny: Path, builds: Builds, signum: signal.Signals
) -> None:
    child = endless(builds)
    assert builds.leftovers()
    child.send_signal(signum)
    started = time.monotonic()
    _, err = child.communicate(timeout=30)
    assert time.monotonic() - started < 10
    assert child.returncode == 130
    assert "error: interrupted" in err
    assert builds.leftovers() == []
    assert builds.work() == []
    assert not (builds.output / "t-endless-lxc.raw").exists()


@pytest.mark.parametrize(
    "point",
    [
        "build: root",
        *(
            pytest.param(point, marks=pytest.mark.full)
            for point in ("build: begun", "build: unpacked", "build: image", "build: stored")
        ),
    ],
)
def test_killed_build_leaves_nothing(tiny: Path, builds: Builds, point: str) -> None:
    """SIGKILL at points of a build: no process or mount now, no directory afterwards."""
    # Its base layer is there.
    shutil.rmtree(builds.cache / cache.IMAGES)
    tiny.unlink()
    arguments = ["-c", builds.directory / "images.yaml", "--role", "tiny", "-o", builds.output]
    killpoint.kill(point, "imagebuild.build", *arguments, **builds.environment)
    wait_for(lambda: builds.leftovers() == [], 10, "end of the build's processes and mounts")
    code, _, err = builds.run("tiny")
    assert code == 0, err
    assert builds.work() == []
    subprocess.run(["e2fsck", "-fn", tiny], check=True, capture_output=True)
    (record,) = json.loads((builds.output / "manifest.json").read_text())["images"]
    assert record["size"] == tiny.stat().st_size


def test_killed_inside_the_image(tiny: Path, builds: Builds) -> None:
    child = endless(builds)
    child.kill()
    child.communicate()
    wait_for(lambda: builds.leftovers() == [], 10, "end of the build's processes and mounts")
    assert len(builds.work()) == 1
    # The next start sweeps, even with nothing to build.
    code, _, err = builds.run("tiny")
    assert code == 0, err
    assert builds.work() == []


@pytest.mark.full
def test_two_builders_of_one_image(tiny: Path, builds: Builds) -> None:
    hook = builds.directory / "elements" / "tiny" / "install.d" / "60-changed"
    hook.parent.mkdir()
    hook.write_text("#!/bin/bash\ntrue\n")
    hook.chmod(0o755)
    children = [builds.start("tiny") for _ in range(2)]
    results = [child.communicate() for child in children]
    assert [child.returncode for child in children] == [0, 0], results
    built = sum("build t-tiny-lxc" in err for _, err in results)
    assert built == 1
