# SPDX-License-Identifier: Apache-2.0
"""The config drive of a container is a directory that only root reads."""

import stat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakenova
import pytest


class Builder:
    """nova.virt.configdrive.ConfigDriveBuilder."""

    def __init__(self, instance_md: Any) -> None:
        self.mdfiles = [
            ("openstack/latest/meta_data.json", b"{}"),
            ("openstack/latest/user_data", "text"),
            ("openstack/content/0000", instance_md.content[0][1]),
        ]

    def __enter__(self) -> "Builder":
        return self

    def __exit__(self, *error: object) -> None:
        self.mdfiles = []


@pytest.fixture
def made() -> list[Any]:
    return []


@pytest.fixture
def config_drive(made: list[Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    def metadata(instance: Any, **named: Any) -> Any:
        made.append(SimpleNamespace(instance=instance, **named))
        return made[-1]

    contents: dict[str, Any] = {
        "nova.api": {},
        "nova.api.metadata": {},
        "nova.api.metadata.base": {"InstanceMetadata": metadata},
        "nova.virt": {},
        "nova.virt.configdrive": {"ConfigDriveBuilder": Builder},
    }
    return fakenova.load(monkeypatch, "shared.config_drive", contents)


def test_files_are_written_for_root_alone(config_drive: Any, made: Any, tmp_path: Path) -> None:
    drive = tmp_path / "uuid/config-drive"
    config_drive.write(drive, "instance", [("/etc/x", b"injected")], "secret", ["vif"])
    files = {
        str(path.relative_to(drive)): path.read_bytes()
        for path in drive.rglob("*")
        if path.is_file()
    }
    assert files == {
        "openstack/latest/meta_data.json": b"{}",
        "openstack/latest/user_data": b"text",
        "openstack/content/0000": b"injected",
    }
    assert stat.S_IMODE(drive.stat().st_mode) == 0o700
    assert made[0].extra_md == {"admin_pass": "secret"}
    assert made[0].network_info == ["vif"]


def test_a_rebuild_replaces_all_files(config_drive: Any, made: Any, tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir(mode=0o755)
    (tmp_path / "drive/old").touch()
    config_drive.write(tmp_path / "drive", "instance", [("/etc/x", b"")], None, None)
    assert not (tmp_path / "drive/old").exists()
    assert stat.S_IMODE((tmp_path / "drive").stat().st_mode) == 0o700
    assert made[0].extra_md == {}
