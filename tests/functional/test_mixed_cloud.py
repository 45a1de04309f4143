# SPDX-License-Identifier: Apache-2.0
"""One cloud on all types of hypervisors: its instances reach each other, bare metal too.

Its bare-metal nodes: made, enrolled, deployed by Redfish, given back, and used again.
"""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import machines
import pytest
import yaml
from conftest import devtest

from altostratus import datafiles
from devtest import clouds, container, undercloud
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from setupcloud import nodes

pytestmark = pytest.mark.gate

CLOUD = "overcloud-mixed"
EXAMPLE = datafiles.examples_path() / f"{CLOUD}.yaml"
TYPES = {"database": "kvm", "memcached": "ironic", "keystone": "docker", "glance": "lxc"}
METAL = "metal"
FAKE = {
    "name": "functional-fake",
    "pm_type": "fake-hardware",
    "mac": ["52:54:00:fa:fe:01"],
    "resource_class": "functional",
}


@pytest.fixture(scope="module")
def mixed(state: Workspace, keep: bool) -> Iterator[dict[str, Instance]]:
    """The instances of the example by role; they go afterwards."""
    assert devtest("run", "--cloud", str(EXAMPLE)).returncode == 0
    connection = clouds.connect(state, "undercloud")
    yield {each.role: each for each in instances.of_cloud(connection, CLOUD)}
    heat = stacks.client(connection)
    # An emulated machine costs the later tests a tenth of a processor, with nothing to do.
    for name in () if keep else (METAL, CLOUD):
        stacks.delete(heat, name)


@pytest.fixture(scope="module")
def cloud(mixed: dict[str, Instance], state: Workspace) -> Any:
    return clouds.connect(state, "undercloud")


@pytest.fixture
def metal(mixed: dict[str, Instance]) -> Instance:
    """The instance on bare metal, from a whole-disk image."""
    return mixed["memcached"]


def inside(workspace: Workspace, *command: str) -> str:
    """Return the output of a command in the undercloud."""
    return container.inside(undercloud.current(workspace), *command)


def in_instance(workspace: Workspace, instance: Instance, command: str) -> str:
    return instances.execute(workspace, instance, f"sudo {command}", timeout=120).strip()


def assert_sound(workspace: Workspace, instance: Instance) -> None:
    """An instance on bare metal: booted without a complaint, as its config drive told, at home."""
    assert in_instance(workspace, instance, "systemctl is-system-running --wait") == "running"
    said = in_instance(workspace, instance, "journalctl --boot --no-pager --identifier=systemd")
    assert "Startup finished" in said
    assert "ordering cycle" not in said
    status = json.loads(in_instance(workspace, instance, "cat /run/cloud-init/status.json"))["v1"]
    for stage in ("init-local", "init", "modules-final"):
        assert status[stage]["finished"], stage
        assert not status[stage]["errors"], stage
    root = in_instance(workspace, instance, "df --output=size -B1 / | tail -n 1")
    disk = in_instance(workspace, instance, "lsblk --bytes --nodeps --noheadings -o SIZE /dev/vda")
    assert int(root) > 0.8 * int(disk)
    device = in_instance(workspace, instance, "findmnt -no SOURCE /")
    assert "has_journal" in in_instance(workspace, instance, f"/sbin/dumpe2fs -h {device} 2>&1")
    assert len(in_instance(workspace, instance, "cat /etc/machine-id")) == 32
    hosts = in_instance(workspace, instance, "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    assert "ED25519" in hosts
    assert "passwordauthentication no" in in_instance(workspace, instance, "/sbin/sshd -T")


def internal_address(workspace: Workspace, instance: Instance) -> str:
    """Return the instance's address on the VLAN, as its own metadata have it."""
    command = (
        "os-apply-config --metadata /run/altostratus/metadata.json"
        " --key instance.addresses.internal --type raw"
    )
    return in_instance(workspace, instance, command)


def test_every_role_is_on_its_type(mixed: dict[str, Instance]) -> None:
    assert {role: one.host.rpartition("-")[2] for role, one in mixed.items()} == TYPES


@pytest.mark.parametrize("role", TYPES)
def test_every_instance_is_on_the_vlan(
    role: str, mixed: dict[str, Instance], state: Workspace
) -> None:
    """Each reaches what listens in the others at their addresses on the tagged network."""
    for other, port in (("memcached", 11211), ("database", 3306)):
        if other != role:
            address = internal_address(state, mixed[other])
            assert address.startswith("172.16.2.")
            reach = f"timeout 20 bash -c 'exec 3<>/dev/tcp/{address}/{port}'"
            instances.execute(state, mixed[role], reach, timeout=60)


def test_the_server_is_on_a_node(cloud: Any, metal: Instance) -> None:
    (node,) = cloud.baremetal.nodes(instance_id=metal.id)
    assert node.provision_state == "active"
    assert node.power_state == "power on"


def test_its_port_is_active_and_answers(cloud: Any, metal: Instance) -> None:
    """Its service does not: that is on the VLAN alone."""
    (port,) = cloud.network.ports(device_id=metal.id)
    assert (port.binding_vnic_type, port.status) == ("baremetal", "ACTIVE")
    with socket.create_connection((metal.addresses["ctlplane"], 22), timeout=30) as service:
        assert service.recv(64).startswith(b"SSH-2.0")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((metal.addresses["ctlplane"], 11211), timeout=30)


def test_it_runs_from_its_own_disk(state: Workspace, metal: Instance) -> None:
    assert in_instance(state, metal, "findmnt -n -o SOURCE /") == "/dev/vda1"
    assert_sound(state, metal)


def test_it_reaches_the_vlan_by_a_tagged_interface(
    cloud: Any, state: Workspace, metal: Instance
) -> None:
    network = cloud.network.find_network("internal")
    address = in_instance(state, metal, "ip -4 -brief address show vlan201").split()[-1]
    address = address.partition("/")[0]
    assert address.startswith("172.16.2.")
    namespace = f"qdhcp-{network.id}"
    inside(state, "ip", "netns", "exec", namespace, "ping", "-c", "3", "-W", "5", address)


@pytest.mark.usefixtures("mixed")
def test_nodes_are_registered_once(state: Workspace, scratch: Path) -> None:
    known = nodes.read(state.state / "nodes.json")
    assert machines.register(scratch / "again.json", *known) == [
        f"unchanged {n['name']}" for n in known
    ]
    assert (state.state / "nodes.json").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def _no_fake(cloud: Any) -> Iterator[None]:
    yield
    cloud.baremetal.delete_node(FAKE["name"])


@pytest.mark.usefixtures("_no_fake")
def test_a_node_is_created_updated_and_available(cloud: Any, scratch: Path) -> None:
    path = scratch / "fake.json"
    assert machines.register(path, FAKE) == ["created functional-fake"]
    node = cloud.baremetal.get_node(FAKE["name"])
    assert (node.provision_state, node.power_state) == ("available", "power off")
    assert machines.register(path, FAKE | {"memory": "4096"}) == ["updated functional-fake"]
    assert machines.register(path, FAKE | {"memory": "4096"}) == ["unchanged functional-fake"]
    assert cloud.baremetal.get_node(FAKE["name"]).properties["memory_mb"] == 4096


def test_a_role_leaves_bare_metal(
    cloud: Any, metal: Instance, state: Workspace, scratch: Path
) -> None:
    """With its addresses, although the old machine's cable stays in the switch for a while."""
    (used,) = cloud.baremetal.nodes(instance_id=metal.id)
    document = yaml.safe_load(EXAMPLE.read_text())
    document["roles"]["memcached"]["hypervisor"] = "docker"
    file = scratch / f"{CLOUD}.yaml"
    file.write_text(yaml.safe_dump(document))
    # It verifies, too.
    assert devtest("run", "--cloud", str(file)).returncode == 0
    new = {each.role: each for each in instances.of_cloud(cloud, CLOUD)}["memcached"]
    assert new.host.endswith("-docker")
    assert new.addresses["ctlplane"] == metal.addresses["ctlplane"]
    # Its node can be used again.
    node = cloud.baremetal.get_node(used.id)
    assert (node.provision_state, node.instance_id) == ("available", None)
    assert not list(cloud.network.ports(device_id=metal.id))
    # Its cable is out of the switch, its images are gone; what is kept is the cache.
    assert "vnet" not in inside(state, "ovs-vsctl", "list-ports", "br-ctlplane")
    listed = inside(state, "find", "/var/lib/ironic/httpboot", "-name", f"*{used.id}*")
    assert listed.strip() == ""


@pytest.mark.full
def test_a_partition_image_is_deployed_on_a_used_node(
    cloud: Any, state: Workspace, scratch: Path
) -> None:
    """Ironic makes the partitions, and has the image's own GRUB written to the disk."""
    # The last test of the mixed cloud's: emulation takes what the machine has.
    stacks.delete(stacks.client(cloud), CLOUD)
    document = yaml.safe_load(EXAMPLE.read_text())
    memcached = document["roles"]["memcached"]
    document |= {"name": METAL, "hypervisors": ["ironic"], "roles": {"memcached": memcached}}
    path = scratch / f"{METAL}.yaml"
    path.write_text(yaml.safe_dump(document))
    file = str(path)
    stacks_of = str(state.stacks(METAL))
    subprocess.run([sys.executable, "-m", "generator.generate", file, "-o", stacks_of], check=True)
    build = [sys.executable, "-m", "imagebuild.build", "--partition"]
    build += ["-c", f"{stacks_of}/images.yaml", "-o", str(state.images(METAL))]
    subprocess.run(build, check=True)
    for step in ("load", "deploy", "verify"):
        assert devtest(step, "--cloud", file).returncode == 0
    (instance,) = instances.of_cloud(cloud, METAL)
    (node,) = cloud.baremetal.nodes(instance_id=instance.id, details=True)
    assert node.instance_info["image_type"] == "partition"
    # The first partition is the config drive's, which of a whole disk is the last.
    assert in_instance(state, instance, "findmnt -n -o SOURCE /") == "/dev/vda2"
    assert_sound(state, instance)
