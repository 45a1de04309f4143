# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds, of what a machine has or lacks."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from altostratus.process import CommandError
from devtest import doctor
from devtest.container import processes
from devtest.workspace import Workspace

KERNEL = {
    "namespaces": ("unshare", "true"),
    "veth": ("veth", "v1"),
    "tun": ("tuntap", "tap"),
    "loop devices": ("losetup", "--find"),
    "overlay": ("overlay", "-t"),
    "cgroups": ("devtest.container.cgroups", "unshare"),
}


def test_trials_leave_nothing_whatever_kills_them(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    killed = tmp_path / f"{doctor.SCRATCH}{dead.pid}"
    other = tmp_path / f"{doctor.SCRATCH}{os.getppid()}"
    for directory in (killed, other):
        (directory / "upper").mkdir(parents=True)
    with doctor.scratch(tmp_path / "state") as top:
        assert top.parent == tmp_path
        assert not killed.exists()
    assert list(tmp_path.iterdir()) == [other]


def test_doctor_names_the_missing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "COMMANDS", {"no-such-command": "some-package"})
    findings = list(doctor.commands())
    assert [(each.good, each.hint) for each in findings] == [(False, "install some-package")]


@pytest.mark.parametrize(
    ("there", "flags", "told"),
    [
        (False, "fpu vmx", "no .*/kvm: virtual machines are emulated"),
        (True, "fpu sse", "most likely emulated"),
        (True, "fpu svm", "/kvm$"),
    ],
)
def test_doctor_tells_what_virtual_machines_run_on(
    tmp_path: Path, there: bool, flags: str, told: str
) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor\t: 0\nflags\t\t: {flags}\n")
    if there:
        (tmp_path / "kvm").touch()
    finding = doctor.virtualisation(tmp_path / "kvm", tmp_path / "cpuinfo")
    assert finding.good
    assert re.search(told, finding.detail)


def test_doctor_judges_memory_and_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "MEMORY", 1 << 60)
    assert not doctor.memory(0).good
    assert doctor.memory(1 << 60).good
    state, cache = tmp_path / "not" / "there", tmp_path
    free = shutil.disk_usage(tmp_path).free
    (both,) = doctor.disks({state: free // 3, cache: free // 3})
    assert both.good
    assert both.name == f"disk for {state} and {cache}"
    # Each would fit alone.
    (both,) = doctor.disks({state: free * 2 // 3, cache: free * 2 // 3})
    assert not both.good
    apart = list(doctor.disks({tmp_path: 1, Path("/proc/none"): 1 << 60}))
    assert [each.good for each in apart] == [True, False]


def test_hard_links_between_state_and_cache_count_once(tmp_path: Path) -> None:
    for name in ("state", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "cache/image").write_bytes(bytes(8192))
    one = doctor.used([tmp_path / "cache"])
    os.link(tmp_path / "cache/image", tmp_path / "state/image")
    assert doctor.used([tmp_path / "cache", tmp_path / "state"]) == one > 0


@pytest.mark.parametrize("feature", KERNEL)
def test_doctor_says_what_the_kernel_forbids(
    feature: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: Sequence[str | Path]) -> None:
        """A machine that lacks one feature: the trial that needs it fails as the real one does."""
        if set(KERNEL[feature]) <= {str(word) for word in argv}:
            raise CommandError("failed", returncode=1, output="trying\nOperation not permitted")

    monkeypatch.setattr(doctor, "run", run)
    findings = {each.name: each for each in doctor.kernel(workspace)}
    assert [name for name, each in findings.items() if not each.good] == [feature]
    assert findings[feature].detail == "Operation not permitted"
    assert "this kernel, or the container we are in, forbids it" in findings[feature].hint


def test_commands_of_the_doctor_are_in_packages_that_bootstrap_installs() -> None:
    listed = Path(doctor.__file__).parents[1] / "bindep.txt"
    # Every Debian system has the package mount.
    assert set(doctor.COMMANDS.values()) - {"mount"} <= set(listed.read_text().split())


@pytest.mark.parametrize(
    ("limit", "others", "good"), [(128, 68, True), (128, 69, False), (99, 0, False)]
)
def test_doctor_counts_the_inotify_instances_of_others(
    limit: int, others: int, good: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a second undercloud; those of our own are not in its way."""
    (tmp_path / "sys/fs/inotify").mkdir(parents=True)
    (tmp_path / "sys/fs/inotify/max_user_instances").write_text(f"{limit}\n")
    for pid, count in ((7, others), (8, 1000)):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        for number in range(count):
            (tmp_path / f"{pid}/fd/{number}").symlink_to("anon_inode:inotify")
        (tmp_path / f"{pid}/fd/{count}").symlink_to("socket:[1]")
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(doctor, "ROOT", os.geteuid())
    finding = doctor.inotify([8])
    assert finding.good is good
    assert f"{limit - others} are left" in finding.detail
