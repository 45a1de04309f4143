# SPDX-License-Identifier: Apache-2.0
"""The system container launcher with a small real root: start, stop, data, faults, leftovers.

Each test compares what is there with what was there before, as far as it has a name of these tests.
"""

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import killpoint
import pytest
import snapshot

from altostratus.errors import AltostratusError
from devtest import container
from devtest.container import loops, processes
from devtest.container.spec import Network, Spec

pytestmark = pytest.mark.gate

NAME = "test-launcher"
NETWORK = Network("t-launcher", "10.77.7.1/30", "10.77.7.2/30", ("192.168.77.0/24",))


@pytest.fixture
def spec(scratch: Path, small_root: Path) -> Iterator[Spec]:
    secret = scratch / "secret"
    secret.write_text("hush\n")
    state = scratch / "container"
    described = Spec(
        name=NAME,
        state=state,
        image=small_root,
        image_key="one",
        network=NETWORK,
        files={"/etc/hostname": f"{NAME}\n"},
        secrets={"/var/lib/secret": str(secret)},
        data=("/var/lib/mysql",),
    )

    def look() -> snapshot.Snapshot:
        # The directory itself is there for all tests.
        return snapshot.take(snapshot.of(f"{scratch}/", NAME, NETWORK.link), group=f"/{NAME}")

    before = look()
    yield described
    container.stop(described, timeout=0)
    left = snapshot.left(before, look)
    assert not left
    shutil.rmtree(state, ignore_errors=True)


def wait_for_systemd(spec: Spec) -> None:
    # The tests of images may keep both processors busy.
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        command = container.enter_command(spec, ["systemctl", "is-system-running"])
        done = subprocess.run(command, capture_output=True, text=True)
        if done.stdout.strip() == "running":
            return
        time.sleep(0.2)
    raise AssertionError(f"systemd is {done.stdout.strip()}: {container.tail(spec.console)}")


def test_runs_systemd_with_the_given_files(spec: Spec) -> None:
    assert container.start(spec)
    wait_for_systemd(spec)
    assert container.inside(spec, "hostname").strip() == NAME
    assert container.inside(spec, "cat", "/proc/1/comm").strip() == "systemd"
    assert container.inside(spec, "stat", "-c", "%a", "/var/lib/secret").strip() == "600"
    assert "systemd" in spec.console.read_text()
    assert 0 < container.memory(spec) < 200 * 1024**2
    assert container.start(spec) is False


def test_host_reaches_it_through_the_link(spec: Spec) -> None:
    container.start(spec)
    # Nothing listens: a refusal is an answer, where no route gives a timeout.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((NETWORK.container, 5000), timeout=5)


def test_restart_keeps_changes_and_a_new_image_keeps_data(spec: Spec) -> None:
    container.start(spec)
    container.inside(spec, "touch", "/root/changed")
    container.inside(spec, "touch", "/var/lib/mysql/stored")
    assert container.inside(spec, "cat", "/var/lib/mysql/seed") == "from the image\n"
    container.stop(spec, timeout=20)
    container.start(spec)
    container.inside(spec, "test", "-e", "/root/changed")
    container.stop(spec, timeout=0)

    container.start(replace(spec, image_key="two"))
    container.inside(spec, "test", "!", "-e", "/root/changed")
    container.inside(spec, "test", "-e", "/var/lib/mysql/stored")


def test_stop_is_orderly(spec: Spec) -> None:
    container.start(spec)
    wait_for_systemd(spec)
    container.stop(spec, timeout=20)
    assert "poweroff.target" in spec.console.read_text() or "Power" in spec.console.read_text()
    assert container.pid(spec) is None
    with pytest.raises(AltostratusError, match="does not run"):
        container.enter_command(spec, ["true"])


@pytest.mark.parametrize("victim", ["init", "supervisor"])
def test_start_after_a_process_was_killed(spec: Spec, victim: str) -> None:
    container.start(spec)
    path = spec.init_pid if victim == "init" else spec.supervisor_pid
    pid = processes.recorded(path)
    assert pid
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_gone(pid, 30)
    container.stop(spec, timeout=0)
    assert container.start(spec)
    wait_for_systemd(spec)


# The first ones are what a start does that the next one must undo.
POINTS = [
    "start: network",
    "start: root",
    "start: init",
    *(
        pytest.param(point, marks=pytest.mark.full)
        for point in (
            *("start: recorded", "start: network namespace", "start: link", "start: supervisor"),
            *("start: cgroups", "start: files", "start: stage"),
        )
    ),
]


def start_and_kill(spec: Spec, point: str) -> None:
    """Start the container from a process that gets SIGKILL at ``point``."""
    killpoint.kill(point, "starter", spec.save(), PYTHONPATH=str(Path(__file__).parent))


@pytest.mark.parametrize("point", POINTS)
def test_start_killed_at_any_moment_leaves_nothing_after_the_next(spec: Spec, point: str) -> None:
    start_and_kill(spec, point)
    container.start(spec)
    wait_for_systemd(spec)


@pytest.mark.parametrize("point", POINTS)
def test_start_killed_at_any_moment_is_undone_at_once(spec: Spec, point: str) -> None:
    start_and_kill(spec, point)
    container.stop(spec, timeout=0)
    # As devtest destroy does, before it removes the state.
    assert not processes.mentioning(str(spec.state))
    loops.detach(spec.image.parent)
    assert str(spec.image) not in losetup()


def test_another_state_with_the_same_name_harms_nothing(spec: Spec, scratch: Path) -> None:
    container.start(spec)
    wait_for_systemd(spec)
    other = replace(spec, state=scratch / "other" / "container")
    with pytest.raises(AltostratusError, match=f"state in {spec.state.parent}"):
        container.start(other)
    container.stop(other, timeout=0)
    assert container.inside(spec, "hostname").strip() == NAME
    wait_for_systemd(spec)


def test_leftovers_of_another_state_go_at_start(spec: Spec, scratch: Path) -> None:
    other = replace(spec, state=scratch / "other" / "container")
    container.start(other)
    for path in (other.supervisor_pid, other.init_pid):
        pid = processes.recorded(path)
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert processes.wait_gone(pid, 30)
    container.start(spec)
    wait_for_systemd(spec)
    container.stop(other, timeout=0)
    assert container.inside(spec, "hostname").strip() == NAME


def test_loop_devices_of_its_files_are_freed(spec: Spec) -> None:
    container.start(spec)
    container.inside(spec, "truncate", "-s", "1M", "/var/lib/mysql/altostratus-test-disk")
    container.inside(spec, "losetup", "--find", "/var/lib/mysql/altostratus-test-disk")
    assert "altostratus-test-disk" in losetup()
    container.stop(spec, timeout=0)
    assert "altostratus-test-disk" not in losetup()


def test_a_root_without_init_is_reported(spec: Spec, scratch: Path) -> None:
    empty = scratch / "empty.ext4"
    with empty.open("wb") as stream:
        stream.truncate(8 * 1024 * 1024)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", empty], check=True)
    with pytest.raises(AltostratusError, match="did not start"):
        container.start(replace(spec, image=empty, image_key="empty"))
    with pytest.raises(AltostratusError, match="did not start"):
        container.start(replace(spec, image=scratch / "missing", image_key="missing"))


def losetup() -> str:
    command = ["losetup", "--list", "--noheadings", "--output", "BACK-FILE"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def mounted(scratch: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in whose namespace a file below scratch/held is mounted."""
    held = scratch / "held"
    (held / "mnt").mkdir(parents=True)
    with (held / "disk").open("wb") as stream:
        stream.truncate(4 * 1024**2)
    subprocess.run(["mke2fs", "-q", held / "disk"], check=True)
    command = ["unshare", "--mount", "sh", "-c", 'mount "$1/disk" "$1/mnt" && exec sleep 60']
    holder = subprocess.Popen([*command, "sh", held])
    while str(held) not in losetup():
        time.sleep(0.02)
    yield holder
    holder.kill()
    holder.wait()
    loops.detach(held)
    shutil.rmtree(held)


def test_a_loop_device_is_freed_when_its_last_user_ends(
    mounted: subprocess.Popen[bytes], scratch: Path
) -> None:
    threading.Timer(0.5, mounted.kill).start()
    loops.detach(scratch / "held")
    assert str(scratch / "held") not in losetup()


def test_a_loop_device_in_use_is_named(
    mounted: subprocess.Popen[bytes], scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loops, "TIMEOUT", 0.2)
    with pytest.raises(AltostratusError, match="/dev/loop"):
        loops.detach(scratch / "held")
