# SPDX-License-Identifier: Apache-2.0
"""The parts of devtest that need neither root nor a cloud."""

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))

import fakecompute

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.process import CommandError
from devtest import clouds, commands, container, doctor, report, undercloud
from devtest.cloud import stacks
from devtest.container import cgroups, owner, processes, spec
from devtest.undercloud import instances
from devtest.workspace import Workspace, find

MIXED = """\
9:name=systemd:/
3:cpu,cpuacct:/user.slice/shell
0::/
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "state", tmp_path / "cache")


def undercloud_files(workspace: Workspace) -> None:
    stacks_directory, images = workspace.stacks("undercloud"), workspace.images("undercloud")
    (stacks_directory / "metadata").mkdir(parents=True)
    images.mkdir(parents=True)
    image = {"name": "u", "role": "undercloud", "file": "u.raw", "sha256": "ab" * 32}
    (images / "manifest.json").write_text(json.dumps({"images": [image]}))
    networks = {"networks": [{"name": "ctlplane", "cidr": "192.168.24.0/24"}]}
    (stacks_directory / "networks.json").write_text(json.dumps(networks))
    metadata = {"keystone": {"host": "192.168.24.1"}}
    (stacks_directory / "metadata/undercloud.json").write_text(json.dumps(metadata))
    secrets = {"parameters": {"KeystoneAdminPassword": "canary"}}
    (stacks_directory / "secrets.yaml").write_text(yaml.safe_dump(secrets))


def test_workspace_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "s"))
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(tmp_path / "c"))
    assert find() == Workspace(tmp_path / "s", tmp_path / "c")


def test_hierarchies_of_a_mixed_host() -> None:
    found = cgroups.hierarchies(MIXED)
    assert [entry.folder for entry in found] == ["systemd", "cpu,cpuacct", "unified"]
    assert found[1].path == "/user.slice/shell"


def test_members_are_found_by_recorded_path(tmp_path: Path) -> None:
    record = tmp_path / "cgroups.json"
    assert cgroups.members(record) == []
    own = [[entry.controllers, entry.path] for entry in cgroups.hierarchies()]
    record.write_text(json.dumps(own))
    assert os.getpid() in cgroups.members(record)
    record.write_text(json.dumps([[controllers, "/nowhere"] for controllers, _ in own]))
    assert cgroups.members(record) == []


def test_cgroups_are_recovered_from_a_member(tmp_path: Path) -> None:
    record = tmp_path / "cgroups.json"
    text = "9:name=systemd:/user.slice/uc/system.slice/x\n3:cpu,cpuacct:/uc\n1:pids:/ucx\n"
    cgroups.recover("uc", text, record)
    assert json.loads(record.read_text()) == [
        ["name=systemd", "/user.slice/uc"],
        ["cpu,cpuacct", "/uc"],
    ]


def test_a_container_outlives_its_state(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "RECORDS", tmp_path / "run")
    assert container.belonging(workspace.state) == []
    undercloud_files(workspace)
    known = undercloud.describe(workspace)
    known.save()
    owner.take(known.name, known.state)
    owner.take("altostratus-node-0", workspace.nodes / "node-0")
    owner.take("altostratus-other", workspace.state.with_name("state2") / "nodes/other")
    found = container.belonging(workspace.state)
    assert found[0] == known
    assert [each.state for each in found[1:]] == [workspace.nodes / "node-0"]


def test_a_process_that_stays_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "TOLD_AFTER", 0.0)
    monkeypatch.setattr(commands, "ORPHAN_TIMEOUT", 0.1)
    # What it prints says that /proc shows its arguments.
    waiting = [sys.executable, "-c", "print(flush=True); input()"]
    paths = [f"{workspace.state}2/x", f"{workspace.state}/x"]
    others, ours = (
        subprocess.Popen([*waiting, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for path in paths
    )
    for each in (others, ours):
        assert each.stdout
        each.stdout.readline()
    with others, ours:
        with pytest.raises(
            AltostratusError, match=f"process {ours.pid} is still at work"
        ) as caught:
            commands._await_orphans(workspace, Progress())
        assert f"kill {ours.pid}" in str(caught.value.hint)
        assert f"waiting for process {ours.pid} to end" in capsys.readouterr().err
        ours.communicate("\n")
        commands._await_orphans(workspace, Progress())


def test_a_reused_pid_is_another_process(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    processes.record(path)
    assert processes.recorded(path) == os.getpid()
    pid, started = path.read_text().split()
    path.write_text(f"{pid} {int(started) + 1}\n")
    assert processes.recorded(path) is None
    path.write_text("")
    assert processes.recorded(path) is None


def test_spec_survives_the_file(workspace: Workspace) -> None:
    undercloud_files(workspace)
    described = undercloud.describe(workspace)
    assert spec.load(described.save()) == described
    assert described.network.routes == ("192.168.24.0/24",)
    assert described.network.gateway == "10.77.0.1"
    assert undercloud.current(workspace) == described
    assert "canary" not in (workspace.container / "spec.json").read_text()


def test_undercloud_needs_its_files(workspace: Workspace) -> None:
    with pytest.raises(AltostratusError, match="manifest.json is missing"):
        undercloud.describe(workspace)
    assert undercloud.current(workspace).name == "altostratus"


def test_failure_names_script_and_lines() -> None:
    report_ = {"script": "post-configure.d/20-keystone", "log": ["one", "two"]}
    error = undercloud.failure(report_)
    assert error.message == "the undercloud: post-configure.d/20-keystone failed:\none\ntwo"


def test_clouds_yaml_is_private_and_complete(workspace: Workspace) -> None:
    undercloud_files(workspace)
    clouds.register(workspace, "undercloud", "192.168.24.1")
    assert stat.S_IMODE(workspace.clouds_yaml.stat().st_mode) == 0o600
    content = yaml.safe_load(workspace.clouds_yaml.read_text())["clouds"]["undercloud"]
    assert content["auth"]["auth_url"] == "http://192.168.24.1:5000/v3"
    assert content["auth"]["password"] == "canary"
    assert clouds.known(workspace) == ["undercloud"]
    with pytest.raises(AltostratusError, match="not deployed"):
        clouds.connect(workspace, "overcloud")


@pytest.fixture
def nova() -> Iterator[Any]:
    """The undercloud, with the servers of two clouds in its Nova."""
    with fakecompute.serving() as fake:
        fake.servers = [
            fakecompute.server(name, cloud)
            for name, cloud in (("a-0", "x"), ("a-0", "y"), ("b-0", "y"))
        ]
        yield SimpleNamespace(config=fake.region())


def test_instances_are_found_by_name_and_cloud(nova: Any) -> None:
    assert instances.find(nova, "b-0").id == "y-b-0"
    assert instances.find(nova, "x/a-0").id == "x-a-0"
    assert [each.name for each in instances.of_cloud(nova, "y")] == ["a-0", "b-0"]
    with pytest.raises(AltostratusError, match="several instances"):
        instances.find(nova, "a-0")
    with pytest.raises(AltostratusError, match="no instance is called c-0"):
        instances.find(nova, "c-0")


def test_the_address_is_one_that_the_host_has_a_route_to() -> None:
    routes = ["192.168.24.0/24"]
    assert instances.reachable(["", "10.0.0.9", "192.168.24.9"], routes) == "192.168.24.9"
    assert instances.reachable(["10.0.0.9"], routes) is None


def test_ssh_goes_to_the_address_that_is_reached(workspace: Workspace, nova: Any) -> None:
    instance = instances.find(nova, "b-0")
    with pytest.raises(AltostratusError, match="b-0 has no address in"):
        instances.ssh_command(workspace, instance, ["uptime"])
    undercloud_files(workspace)
    undercloud.describe(workspace).save()
    command = instances.ssh_command(workspace, instance, ["uptime"])
    assert command[-2:] == ["debian@192.168.24.101", "uptime"]
    assert f"-oIdentityFile={workspace.key}" in command


def test_fingerprint_follows_every_input(tmp_path: Path) -> None:
    template, environment = tmp_path / "t.yaml", tmp_path / "e.yaml"
    template.write_text("heat_template_version: '2021-04-16'\n")
    environment.write_text("parameters: {A: one}\n")
    first = stacks.fingerprint(stacks.compose(template, [environment]))
    assert first == stacks.fingerprint(stacks.compose(template, [environment]))
    environment.write_text("parameters: {A: two}\n")
    assert first != stacks.fingerprint(stacks.compose(template, [environment]))


def test_later_environments_win(tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text("heat_template_version: '2021-04-16'\n")
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"parameters: {{A: {name}}}\n")
    request = stacks.compose(template, [tmp_path / "one", tmp_path / "two"])
    assert request["environment"]["parameters"] == {"A": "two"}


def test_report_and_table(tmp_path: Path) -> None:
    done = report.Report(cloud="overcloud")
    done.finish("done", [("build", 1.25)])
    saved = json.loads(done.save(tmp_path).read_text())
    assert saved["outcome"] == "done"
    assert saved["steps"] == [["build", 1.25]]
    assert len(saved["load"]) == 2
    assert report.table([("build", 1.25)], ("step", "seconds")) == ("step   seconds\nbuild  1.2\n")


def test_trials_leave_nothing_whatever_kills_them(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as dead:
        pass
    killed = tmp_path / f"{doctor.SCRATCH}{dead.pid}"
    other = tmp_path / f"{doctor.SCRATCH}{os.getppid()}"
    for directory in (killed, other):
        (directory / "upper").mkdir(parents=True)
    with doctor._scratch(tmp_path / "state") as top:
        assert top.parent == tmp_path
        assert not killed.exists()
    assert list(tmp_path.iterdir()) == [other]


def test_doctor_names_the_missing_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "COMMANDS", {"no-such-command": "some-package"})
    findings = list(doctor._commands())
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
    finding = doctor._virtualisation(tmp_path / "kvm", tmp_path / "cpuinfo")
    assert finding.good
    assert re.search(told, finding.detail)


def test_doctor_judges_memory_and_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "MEMORY", 1 << 60)
    assert not doctor._memory(0).good
    assert doctor._memory(1 << 60).good
    state, cache = tmp_path / "not" / "there", tmp_path
    free = shutil.disk_usage(tmp_path).free
    (both,) = doctor._disks({state: free // 3, cache: free // 3})
    assert both.good
    assert both.name == f"disk for {state} and {cache}"
    # Each would fit alone.
    (both,) = doctor._disks({state: free * 2 // 3, cache: free * 2 // 3})
    assert not both.good
    apart = list(doctor._disks({tmp_path: 1, Path("/proc/none"): 1 << 60}))
    assert [each.good for each in apart] == [True, False]


def test_hard_links_between_state_and_cache_count_once(tmp_path: Path) -> None:
    for name in ("state", "cache"):
        (tmp_path / name).mkdir()
    (tmp_path / "cache/image").write_bytes(bytes(8192))
    one = doctor._used([tmp_path / "cache"])
    os.link(tmp_path / "cache/image", tmp_path / "state/image")
    assert doctor._used([tmp_path / "cache", tmp_path / "state"]) == one > 0


KERNEL = {
    "namespaces": ("unshare", "true"),
    "veth": ("veth", "v1"),
    "tun": ("tuntap", "tap"),
    "loop devices": ("losetup", "--find"),
    "overlay": ("overlay", "-t"),
    "cgroups": ("devtest.container.cgroups", "unshare"),
}


@pytest.mark.parametrize("feature", KERNEL)
def test_doctor_says_what_the_kernel_forbids(
    feature: str, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: Sequence[str | Path]) -> None:
        """A machine that lacks one feature: the trial that needs it fails as the real one does."""
        if set(KERNEL[feature]) <= {str(word) for word in argv}:
            raise CommandError("failed", returncode=1, output="trying\nOperation not permitted")

    monkeypatch.setattr(doctor, "run", run)
    findings = {each.name: each for each in doctor._kernel(workspace)}
    assert [name for name, each in findings.items() if not each.good] == [feature]
    assert findings[feature].detail == "Operation not permitted"
    assert "this kernel, or the container we are in, forbids it" in findings[feature].hint


def test_commands_of_the_doctor_are_in_packages_that_bootstrap_installs() -> None:
    listed = Path(doctor.__file__).parents[1] / "bindep.txt"
    # Every Debian system has the package mount.
    assert set(doctor.COMMANDS.values()) - {"mount"} <= set(listed.read_text().split())


def test_disks_of_instances_outlive_a_new_image() -> None:
    metadata = {
        "instance": {"name": "undercloud"},
        "nova-lxc": {"state_path": "/instances"},
        "virtual-baremetal": {"state_path": "/machines"},
    }
    assert undercloud.state_paths(metadata) == ("/instances", "/machines")
