# SPDX-License-Identifier: Apache-2.0
"""How instances are found, and the way into them."""

from types import SimpleNamespace
from typing import Any

import pytest

from altostratus.errors import AltostratusError
from devtest import undercloud
from devtest.undercloud import instances
from devtest.workspace import Workspace


def server(name: str, cloud: str) -> Any:
    return SimpleNamespace(
        name=name,
        id=f"{cloud}-{name}",
        metadata={"cloud": cloud, "role": name.partition("-")[0]},
        status="ACTIVE",
        compute_host="undercloud-lxc",
        addresses={"ctlplane": [{"version": 4, "addr": "192.168.24.101"}]},
        fault=None,
    )


class FakeNova:
    """The servers of two clouds, as openstacksdk shows them."""

    compute = SimpleNamespace(
        servers=lambda all_projects: [server("a-0", "x"), server("a-0", "y"), server("b-0", "y")]
    )


def test_instances_are_found_by_name_and_cloud() -> None:
    nova: Any = FakeNova()
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


def test_ssh_goes_to_the_address_that_is_reached(workspace: Workspace, built: Workspace) -> None:
    nova: Any = FakeNova()
    instance = instances.find(nova, "b-0")
    with pytest.raises(AltostratusError, match="b-0 has no address in"):
        instances.ssh_command(workspace, instance, ["uptime"])
    undercloud.describe(built).save()
    command = instances.ssh_command(workspace, instance, ["uptime"])
    assert command[-2:] == ["debian@192.168.24.101", "uptime"]
    assert f"-oIdentityFile={workspace.key}" in command
