# SPDX-License-Identifier: Apache-2.0
"""One cloud on all types of hypervisors: its instances reach each other, bare metal too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from conftest import devtest

from devtest import clouds, instances, stacks
from devtest.instances import Instance
from devtest.workspace import Workspace
from imagebuild import datafiles

CLOUD = "overcloud-mixed"
TYPES = {"database": "kvm", "memcached": "ironic", "keystone": "docker", "glance": "lxc"}


@pytest.fixture(scope="module")
def mixed(undercloud: Workspace) -> Iterator[dict[str, Instance]]:
    """The instances of the example by role; they go afterwards."""
    file = datafiles.examples_path() / f"{CLOUD}.yaml"
    assert devtest("run", "--cloud", str(file)).returncode == 0
    connection = clouds.connect(undercloud, "undercloud")
    yield {each.role: each for each in instances.of_cloud(connection, CLOUD)}
    stacks.delete(stacks.client(connection), CLOUD)


def test_every_role_is_on_its_type(mixed: dict[str, Instance]) -> None:
    assert {role: one.host.rpartition("-")[2] for role, one in mixed.items()} == TYPES


@pytest.mark.parametrize("role", TYPES)
def test_every_instance_is_on_the_vlan(
    role: str, mixed: dict[str, Instance], undercloud: Workspace
) -> None:
    """Each reaches what listens in the others at their addresses on the tagged network."""
    for other, port in (("memcached", 11211), ("database", 3306)):
        if other != role:
            address = internal_address(undercloud, mixed[other])
            assert address.startswith("172.16.2.")
            reach = f"timeout 20 bash -c 'exec 3<>/dev/tcp/{address}/{port}'"
            instances.execute(undercloud, mixed[role], reach, timeout=60)


def test_a_role_leaves_bare_metal(
    mixed: dict[str, Instance], undercloud: Workspace, scratch: Path
) -> None:
    """With its addresses, although the old machine's cable stays in the switch."""
    old = mixed["memcached"]
    cloud = yaml.safe_load((datafiles.examples_path() / f"{CLOUD}.yaml").read_text())
    cloud["roles"]["memcached"]["hypervisor"] = "docker"
    file = scratch / f"{CLOUD}.yaml"
    file.write_text(yaml.safe_dump(cloud))
    # It verifies, too.
    assert devtest("run", "--cloud", str(file)).returncode == 0
    connection = clouds.connect(undercloud, "undercloud")
    new = {each.role: each for each in instances.of_cloud(connection, CLOUD)}["memcached"]
    assert new.host.endswith("-docker")
    assert new.addresses["ctlplane"] == old.addresses["ctlplane"]
    assert not list(connection.baremetal.nodes(instance_id=old.id))


def internal_address(workspace: Workspace, instance: Instance) -> str:
    """Return the instance's address on the VLAN, as its own metadata have it."""
    command = (
        "sudo os-apply-config --metadata /run/altostratus/metadata.json"
        " --key instance.addresses.internal --type raw"
    )
    return instances.execute(workspace, instance, command, timeout=60).strip()
