# SPDX-License-Identifier: Apache-2.0
"""Removal of the control groups of containers that have ended; a tree of plain directories."""

from pathlib import Path

import pytest

from novadrivers.libvirt import cgroups

HYBRID = "3:cpu,cpuacct:/a\n1:name=systemd:/system.slice/libvirtd@lxc.service\n0::/node\n"


def test_the_daemons_groups_of_both_versions_count() -> None:
    assert list(cgroups.parents(HYBRID)) == [
        ("name=systemd", "/system.slice/libvirtd@lxc.service"),
        ("", "/node"),
    ]


def test_with_version_2_alone_there_is_nothing_to_remove() -> None:
    assert list(cgroups.parents("0::/system.slice/libvirtd.service\n")) == []


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    """Groups of three domains, of which the second has a process, and one of somebody else."""
    for group in ("instance-1/init.scope", "instance-2/system.slice/ssh", "instance-3", "other"):
        (tmp_path / group).mkdir(parents=True)
    (tmp_path / "instance-2/cgroup.procs").write_text("")
    (tmp_path / "instance-2/system.slice/ssh/cgroup.procs").write_text("42\n")
    return tmp_path


@pytest.mark.parametrize(
    ("domain", "left"),
    [
        ("instance-1", ["instance-2", "instance-3", "other"]),
        ("instance-2", ["instance-1", "instance-2", "instance-3", "other"]),
        ("instance-9", ["instance-1", "instance-2", "instance-3", "other"]),
        ("", ["instance-2", "other"]),
    ],
)
def test_groups_without_processes_are_removed(parent: Path, domain: str, left: list[str]) -> None:
    cgroups.clean(parent, domain)
    assert sorted(path.name for path in parent.iterdir()) == left
    assert (parent / "instance-2/system.slice/ssh").is_dir()


def test_where_no_daemon_runs_nothing_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "PID_FILE", tmp_path / "none")
    assert cgroups.main(["instance-1"]) == 0
