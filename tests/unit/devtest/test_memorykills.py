# SPDX-License-Identifier: Apache-2.0
"""Instances whose programs the kernel killed for memory."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from altostratus.process import Result
from devtest import container
from devtest.container.spec import Network, Spec
from devtest.overview import _problems
from devtest.undercloud import memorykills

SPEC = Spec("c", Path("/nowhere"), Path(), "", Network("", "", ""))
SERVER = "6f1f8a34-0c0e-4b5f-9c68-6f3f3c2f7d11"
DOCKER = "ab" * 32
V1, V2 = "/sys/fs/cgroup/memory", "/sys/fs/cgroup"

Group = Callable[[str, int], None]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a running container."""
    monkeypatch.setattr(container, "file_of", lambda _, path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr(container, "pid", lambda _: os.getpid())
    monkeypatch.setattr(memorykills, "run", lambda _: Result(0, "", ""))
    record = tmp_path / memorykills.CONTAINERS.lstrip("/") / DOCKER / "config.v2.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"Name": f"/nova-{SERVER}"}))
    return tmp_path


def group(root: Path, top: str, path: str, killed: int) -> None:
    """Make a control group as the kernel shows it."""
    base = root / top.lstrip("/")
    (base / path).mkdir(parents=True, exist_ok=True)
    (base / "cgroup.procs").touch()
    if top == V1:
        text = f"oom_kill_disable 0\nunder_oom 0\noom_kill {killed}\n"
        (base / path / "memory.oom_control").write_text(text)
    else:
        text = f"low 0\nhigh 0\nmax 7\noom 1\noom_kill {killed}\noom_group_kill 0\n"
        (base / path / "memory.events").write_text(text)


@pytest.mark.parametrize("top", [V1, V2])
def test_kills_are_counted_by_instance(top: str, root: Path) -> None:
    group(root, top, "machine/lxc-2669-instance-00000002.libvirt-lxc", 0)
    group(root, top, "machine/lxc-2663-instance-0000000a.libvirt-lxc", 2)
    # The program's own group, inside the guest.
    group(root, top, "machine/lxc-2663-instance-0000000a.libvirt-lxc/system.slice/x.service", 1)
    group(root, top, f"docker/{DOCKER}", 4)
    group(root, top, "system.slice/nova-api.service", 5)
    assert memorykills.counts(SPEC) == {"instance-0000000a": 3, SERVER: 4}


@pytest.mark.parametrize("scope", [f"system.slice/docker-{DOCKER}.scope", f"x/docker/{DOCKER}/y"])
def test_docker_may_name_its_groups_otherwise(scope: str, root: Path) -> None:
    group(root, V2, scope, 1)
    assert memorykills.counts(SPEC) == {SERVER: 1}


def test_a_container_of_somebody_else_is_no_instance(root: Path) -> None:
    group(root, V1, f"docker/{'cd' * 32}", 1)
    assert memorykills.counts(SPEC) == {}


def test_the_status_says_it() -> None:
    (line,) = _problems({"name": "network-0", "memory_kills": 16, "fault": ""})
    assert line.startswith("network-0: the kernel killed 16 of its programs for memory")
    assert "more ram" in line
    assert not _problems({"name": "network-0", "memory_kills": 0, "fault": ""})


def test_an_instance_that_is_gone_is_found_in_the_kernels_log(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of this undercloud alone, and not counted twice where the group is there."""
    group(root, V1, "machine/lxc-7-instance-00000001.libvirt-lxc", 2)
    before = "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,"

    def entry(time: float, path: str) -> str:
        where = f"oom_memcg=/x/{path},task_memcg=/x/{path}/system.slice/y.service"
        return f"[{time:12.6f}] {before}{where},task=python3,pid=7,uid=0"

    lines = [
        entry(0.1, "c/machine/lxc-8-instance-00000002.libvirt-lxc"),
        entry(9e9, "c/machine/lxc-8-instance-00000003.libvirt-lxc"),
        entry(9e9, "c/machine/lxc-8-instance-00000003.libvirt-lxc"),
        entry(9e9, "c/machine/lxc-7-instance-00000001.libvirt-lxc"),
        entry(9e9, "other/machine/lxc-9-instance-00000004.libvirt-lxc"),
        entry(9e9, f"c/docker/{DOCKER}"),
        "[    1.000000] eth0: renamed from vnet6",
    ]
    monkeypatch.setattr(memorykills, "run", lambda _: Result(0, "\n".join(lines), ""))
    assert memorykills.counts(SPEC) == {"instance-00000001": 2, "instance-00000003": 2, SERVER: 1}
