# SPDX-License-Identifier: Apache-2.0
"""Which loop devices were a container's, when its files are gone."""

from pathlib import Path

import pytest

from devtest.container import loops, processes

MOUNTINFO = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
70 21 7:3 / /var/lib/nova-lxc/instances/a/rootfs rw master:1 - ext4 /dev/loop3 rw
71 21 7:12 / /mnt/dev/loop9 rw - ext4 /dev/loop12 rw,errors=remount-ro
"""


@pytest.fixture(autouse=True)
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/mountinfo").write_text(MOUNTINFO)
    monkeypatch.setattr(processes, "PROC", tmp_path)


def test_mounted_devices_are_those_that_a_process_sees() -> None:
    assert loops.mounted([7]) == {"/dev/loop3", "/dev/loop12"}
    assert loops.mounted([8]) == set()


def test_only_devices_of_deleted_files_are_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    """And only those that the container had mounted."""
    attached = {
        "/dev/loop3": "/instances/a/disk (deleted)",
        "/dev/loop4": "/somebody/else (deleted)",
        "/dev/loop12": "/srv/there",
    }
    freed: list[str] = []
    monkeypatch.setattr(
        loops, "_listed", lambda: [{"name": k, "back-file": v} for k, v in attached.items()]
    )

    def run(command: list[str], check: bool) -> None:
        freed.append(command[-1])
        del attached[command[-1]]

    monkeypatch.setattr(loops, "run", run)
    loops.detach_orphaned({"/dev/loop3", "/dev/loop12"})
    assert freed == ["/dev/loop3"]
