# SPDX-License-Identifier: Apache-2.0
"""What the undercloud's container is made of, and how its clients reach it."""

import shutil
import stat
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml
from records import manifest

from altostratus.errors import AltostratusError
from devtest import clouds, undercloud
from devtest.container import hostnet, owner, spec
from devtest.settings import Settings
from devtest.undercloud import host
from devtest.workspace import Workspace


def test_spec_survives_the_file(built: Workspace) -> None:
    described = undercloud.describe(built)
    assert spec.load(described.save()) == described
    assert described.network.routes == ("192.168.24.0/24",)
    assert described.network.gateway == "10.77.0.1"
    assert undercloud.current(built) == described
    password = built.generated("undercloud").secrets["KeystoneAdminPassword"]
    assert password not in (built.container / "spec.json").read_text()


def test_undercloud_needs_its_files(workspace: Workspace) -> None:
    with pytest.raises(AltostratusError, match="manifest.json is missing"):
        undercloud.describe(workspace)
    assert undercloud.current(workspace).name == "altostratus"


def test_failure_names_script_and_lines() -> None:
    report_ = {"script": "post-configure.d/20-keystone", "log": ["one", "two"]}
    error = undercloud.failure(report_)
    assert error.message == "the undercloud: post-configure.d/20-keystone failed:\none\ntwo"


def test_clouds_yaml_is_private_and_complete(built: Workspace) -> None:
    clouds.register(built, "undercloud", "192.168.24.1")
    assert stat.S_IMODE(built.clouds_yaml.stat().st_mode) == 0o600
    content = yaml.safe_load(built.clouds_yaml.read_text())["clouds"]["undercloud"]
    assert content["auth"]["auth_url"] == "http://192.168.24.1:5000/v3"
    assert content["auth"]["password"] == clouds.admin_password(built, "undercloud")
    assert content["region_name"] == "RegionOne"
    assert clouds.known(built) == ["undercloud"]
    with pytest.raises(AltostratusError, match="not deployed"):
        clouds.connect(built, "overcloud")


def test_disks_of_instances_outlive_a_new_image() -> None:
    metadata = {
        "instance": {"name": "undercloud"},
        "nova-lxc": {"state_path": "/instances"},
        "virtual-baremetal": {"state_path": "/machines"},
    }
    assert undercloud.state_paths(metadata) == ("/instances", "/machines")


def test_another_name_is_in_all_that_exists_once_on_a_machine(built: Workspace) -> None:
    transfer = IPv4Network("10.77.4.8/30")
    other = replace(built, settings=Settings("lab", transfer=transfer))
    described = undercloud.describe(other)
    assert described.name == undercloud.current(other).name == "altostratus.lab"
    assert described.network.link == undercloud.current(other).network.link == "uc-lab"
    configuration = described.files["/etc/systemd/network/05-undercloud.network"]
    assert "Address=10.77.4.10/30\nGateway=10.77.4.9\n" in configuration


def test_an_image_that_was_not_built_is_named(built: Workspace) -> None:
    manifest(built, "undercloud", "undercloud-undercloud-kvm", "u.raw", "ab" * 32)
    with pytest.raises(AltostratusError, match="undercloud-undercloud-lxc was not built"):
        undercloud.describe(built)


def route(destination: str, device: str) -> dict[str, str]:
    return {"dst": destination, "dev": device}


def test_routes_of_others_are_refused_before_anything_starts(
    built: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """And an undercloud to which they belong is named; its own routes are no obstacle."""
    monkeypatch.setattr(owner, "RECORDS", tmp_path / "run")
    there = [route("default", "eth0"), route("192.168.24.0/24", "as-uc"), route("1.2.3.4", "eth0")]
    monkeypatch.setattr(hostnet, "routes", lambda: there)
    described = undercloud.describe(built)
    host.require_free(described.network)
    described.save()
    owner.take(described.name, described.state)
    settings = Settings("lab", transfer=IPv4Network("10.77.4.8/30"))
    other = Workspace(tmp_path / "other", built.cache, settings)
    shutil.copytree(built.stacks("undercloud"), other.stacks("undercloud"))
    shutil.copytree(built.images("undercloud"), other.images("undercloud"))
    with pytest.raises(AltostratusError) as caught:
        undercloud.start(other)
    line = f"192.168.24.0/24 on as-uc of the undercloud with its state in {built.state}"
    assert line in caught.value.message
    assert "--undercloud FILE" in str(caught.value.hint)
    assert not other.container.exists()
    there[:] = [route("10.77.4.0/24", "eth0")]
    with pytest.raises(AltostratusError, match=r"10\.77\.4\.8/30: 10\.77\.4\.0/24 on eth0$"):
        undercloud.start(other)
