# SPDX-License-Identifier: Apache-2.0
"""Cgroups, owners and processes of containers, without a container."""

import json
import os
from pathlib import Path

import pytest

from devtest import container, undercloud
from devtest.container import cgroups, owner, processes
from devtest.workspace import Workspace

MIXED = """\
9:name=systemd:/
3:cpu,cpuacct:/user.slice/shell
0::/
"""


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
    tmp_path: Path, workspace: Workspace, built: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "RECORDS", tmp_path / "run")
    assert container.belonging(workspace.state) == []
    known = undercloud.describe(built)
    known.save()
    owner.take(known.name, known.state)
    owner.take("altostratus-node-0", workspace.nodes / "node-0")
    owner.take("altostratus-other", workspace.state.with_name("state2") / "nodes/other")
    found = container.belonging(workspace.state)
    assert found[0] == known
    assert [each.state for each in found[1:]] == [workspace.nodes / "node-0"]


def test_a_reused_pid_is_another_process(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    processes.record(path)
    assert processes.recorded(path) == os.getpid()
    pid, started = path.read_text().split()
    path.write_text(f"{pid} {int(started) + 1}\n")
    assert processes.recorded(path) is None
    path.write_text("")
    assert processes.recorded(path) is None
