# SPDX-License-Identifier: Apache-2.0
"""What the doctor finds, of what a machine has or lacks."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from altostratus import datafiles
from altostratus.process import CommandError, Result
from devtest import doctor, limits, needs
from devtest.cloud import cloudfiles, heatenv
from devtest.container import processes
from devtest.container.cgroups import Hierarchy
from devtest.needs import Needs
from devtest.workspace import Workspace
from generator import generate

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
    monkeypatch.setattr(needs, "UNDERCLOUD", 1 << 60)
    assert not doctor.memory(0, Needs(())).good
    assert doctor.memory(1 << 60, Needs(())).good
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
    ("limit", "others", "enough"), [(128, 68, True), (128, 69, False), (59, 0, False)]
)
def test_doctor_counts_the_inotify_instances_of_others(
    limit: int, others: int, enough: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a second undercloud; those of our own are not in its way. Four guests need 60."""
    (tmp_path / "sys/fs/inotify").mkdir(parents=True)
    (tmp_path / "sys/fs/inotify/max_user_instances").write_text(f"{limit}\n")
    for pid, count in ((7, others), (8, 1000)):
        (tmp_path / f"{pid}/fd").mkdir(parents=True)
        for number in range(count):
            (tmp_path / f"{pid}/fd/{number}").symlink_to("anon_inode:inotify")
        (tmp_path / f"{pid}/fd/{count}").symlink_to("socket:[1]")
    monkeypatch.setattr(processes, "PROC", tmp_path)
    monkeypatch.setattr(limits, "ROOT", os.geteuid())
    (finding,) = doctor.shared_limits(4, [8], root=True)
    assert finding.good
    assert ("raised to 8192" in finding.detail) is not enough
    assert (f"{others} of them used by others" in finding.detail) is bool(others)


def test_doctor_counts_what_a_cloud_needs(workspace: Workspace) -> None:
    cloud, _ = cloudfiles.read(None, "lxc")
    small, large = needs.of(workspace), needs.of(workspace, cloud)
    assert (large.guests, large.loops, large.types) == (4, 5, ["lxc"])
    assert large.memory == small.memory + 4 * needs.CONTAINER
    assert large.state_disk > small.state_disk
    machines = needs.of(workspace, cloudfiles.read(None, "kvm")[0])
    # Their kernels are their own, and their memory is used up.
    assert (machines.guests, machines.loops) == (0, 1)
    assert machines.memory > large.memory
    docker = needs.of(workspace, cloudfiles.read(None, "docker")[0])
    assert (docker.guests, docker.loops) == (4, 1)


def test_clouds_that_are_there_count_and_one_does_not_count_twice(workspace: Workspace) -> None:
    file = datafiles.examples_path() / "overcloud.yaml"
    generate.generate(file, workspace.stacks("overcloud"))
    assert needs.of(workspace).guests == 0
    # As devtest load does.
    (workspace.stacks("overcloud") / heatenv.IMAGES).touch()
    cloud, _ = cloudfiles.read(file)
    assert needs.of(workspace) == needs.of(workspace, cloud)
    assert needs.of(workspace).guests == 4
    other = cloudfiles.read(datafiles.examples_path() / "overcloud-lxc-combined.yaml")[0]
    assert needs.of(workspace, other).guests == 5


def test_doctor_judges_the_processes_of_the_control_group(tmp_path: Path) -> None:
    own = tmp_path / "pids/docker/x"
    own.mkdir(parents=True)
    entries = [Hierarchy("pids", "/docker/x"), Hierarchy("memory", "/docker/x")]
    assert doctor.processes_left(entries, 4, tmp_path).detail == "no limit"
    (own / "pids.max").write_text("max\n")
    (own.parent / "pids.max").write_text("1700\n")
    (own.parent / "pids.current").write_text("100\n")
    assert doctor.processes_left(entries, 4, tmp_path).good
    (own.parent / "pids.current").write_text("101\n")
    found = doctor.processes_left(entries, 4, tmp_path)
    assert not found.good
    assert found.detail == "1599 are left, 1600 needed"


def test_doctor_counts_the_loop_devices_of_others(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, other = f"{workspace.state}/data/disk", "/srv/other.img"
    listed = {"loopdevices": [{"back-file": ours}, {"back-file": other}]}
    monkeypatch.setattr(doctor, "run", lambda _: Result(0, json.dumps(listed), ""))
    assert doctor.loop_devices(workspace.state, 127).good
    assert not doctor.loop_devices(workspace.state, 128).good
    monkeypatch.setattr(doctor, "run", lambda _: Result(0, "", ""))
    assert doctor.loop_devices(workspace.state, 128).good


def test_doctor_wants_a_compute_of_each_type(tmp_path: Path) -> None:
    example = datafiles.examples_path() / "undercloud.yaml"
    assert doctor.hypervisor_types(["kvm", "lxc"], example).good
    file = tmp_path / "undercloud.yaml"
    file.write_text(example.read_text().replace("      - nova-docker\n", "", 1))
    lines = [line for line in file.read_text().splitlines() if "nova-docker:" not in line]
    file.write_text("\n".join(lines))
    found = doctor.hypervisor_types(["docker"], file)
    assert (found.good, found.detail) == (False, "no nova-docker")
    assert str(file) in found.hint
