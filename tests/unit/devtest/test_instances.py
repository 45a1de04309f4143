# SPDX-License-Identifier: Apache-2.0
"""How instances are found, and the way into them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))

import fakecompute

from altostratus.errors import AltostratusError
from devtest import undercloud
from devtest.undercloud import instances
from devtest.workspace import Workspace


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


def test_ssh_goes_to_the_address_that_is_reached(
    workspace: Workspace, built: Workspace, nova: Any
) -> None:
    instance = instances.find(nova, "b-0")
    with pytest.raises(AltostratusError, match="b-0 has no address in"):
        instances.ssh_command(workspace, instance, ["uptime"])
    undercloud.describe(built).save()
    command = instances.ssh_command(workspace, instance, ["uptime"])
    assert command[-2:] == ["debian@192.168.24.101", "uptime"]
    assert f"-oIdentityFile={workspace.key}" in command
