# SPDX-License-Identifier: Apache-2.0
"""A role on bare metal: nodes made, enrolled, deployed by Redfish, deleted, and used again."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from conftest import devtest

from devtest import clouds, container, instances, undercloud
from devtest.instances import Instance
from devtest.workspace import Workspace
from generator import nodes

CLOUD = "metal"
FILE = """
name: metal
release: zed
hypervisors: [ironic]
networks:
  ctlplane:
    type: flat
    physical_network: ctlplane
    cidr: 192.168.24.0/24
    gateway: 192.168.24.1
    pool: [192.168.24.100, 192.168.24.250]
  internal: {vlan: 201, physical_network: ctlplane, cidr: 172.16.2.0/24}
service_network: internal
public_network: ctlplane
roles:
  memcached: {services: [memcached]}
"""
FAKE = {
    "name": "functional-fake",
    "pm_type": "fake-hardware",
    "mac": ["52:54:00:fa:fe:01"],
    "resource_class": "functional",
}


@pytest.fixture(scope="module")
def metal(state: Workspace, scratch: Path) -> Workspace:
    """A cloud of one instance on bare metal, deployed and verified by ``devtest run``."""
    file = scratch / "metal.yaml"
    file.write_text(FILE)
    assert devtest("run", "--cloud", str(file)).returncode == 0
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(state.clouds_yaml)
    return state


@pytest.fixture(scope="module")
def cloud(metal: Workspace) -> Any:
    return clouds.connect(metal, "undercloud")


@pytest.fixture
def instance(cloud: Any) -> Instance:
    (only,) = instances.of_cloud(cloud, CLOUD)
    return only


def inside(workspace: Workspace, *command: str) -> str:
    """Return the output of a command in the undercloud."""
    return container.inside(undercloud.current(workspace), *command)


def in_instance(workspace: Workspace, instance: Instance, command: str) -> str:
    arguments = instances.ssh_command(workspace, instance, ["sudo", "sh", "-c", f"'{command}'"])
    done = subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout.strip()


def register(path: Path, *wanted: dict[str, Any]) -> list[str]:
    """Run register-nodes on these nodes and return its lines."""
    path.write_text(json.dumps({"nodes": list(wanted)}))
    command = [sys.executable, "-m", "generator.nodes", "-n", path]
    environment = {**os.environ, "OS_CLOUD": "undercloud"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0
    return done.stdout.splitlines()


def test_the_server_is_on_a_node(cloud: Any, instance: Instance) -> None:
    assert instance.host.endswith("-ironic")
    (node,) = cloud.baremetal.nodes(instance_id=instance.id)
    assert node.provision_state == "active"
    assert node.power_state == "power on"


def test_its_port_is_active_and_answers(cloud: Any, instance: Instance) -> None:
    (port,) = cloud.network.ports(device_id=instance.id)
    assert (port.binding_vnic_type, port.status) == ("baremetal", "ACTIVE")
    with socket.create_connection((instance.addresses["ctlplane"], 11211), timeout=30) as service:
        service.sendall(b"version\r\n")
        assert service.recv(64).startswith(b"VERSION")


def test_it_runs_from_its_own_disk(metal: Workspace, instance: Instance) -> None:
    assert in_instance(metal, instance, "findmnt -n -o SOURCE /") == "/dev/vda1"
    assert in_instance(metal, instance, "systemctl is-system-running --wait") == "running"


def test_it_reaches_the_vlan_by_a_tagged_interface(metal: Workspace, instance: Instance) -> None:
    network = clouds.connect(metal, "undercloud").network.find_network("internal")
    address = in_instance(metal, instance, "ip -4 -brief address show vlan201").split()[-1]
    address = address.partition("/")[0]
    assert address.startswith("172.16.2.")
    namespace = f"qdhcp-{network.id}"
    inside(metal, "ip", "netns", "exec", namespace, "ping", "-c", "3", "-W", "5", address)


def test_nodes_are_registered_once(metal: Workspace, scratch: Path) -> None:
    known = nodes.read(metal.state / "nodes.json")
    assert register(scratch / "again.json", *known) == [f"unchanged {n['name']}" for n in known]
    assert (metal.state / "nodes.json").stat().st_mode & 0o777 == 0o600


@pytest.fixture
def _no_fake(cloud: Any) -> Iterator[None]:
    yield
    cloud.baremetal.delete_node(FAKE["name"])


@pytest.mark.usefixtures("_no_fake")
def test_a_node_is_created_updated_and_available(cloud: Any, scratch: Path) -> None:
    path = scratch / "fake.json"
    assert register(path, FAKE) == ["created functional-fake"]
    node = cloud.baremetal.get_node(FAKE["name"])
    assert (node.provision_state, node.power_state) == ("available", "power off")
    assert register(path, FAKE | {"memory": "4096"}) == ["updated functional-fake"]
    assert register(path, FAKE | {"memory": "4096"}) == ["unchanged functional-fake"]
    assert cloud.baremetal.get_node(FAKE["name"]).properties["memory_mb"] == 4096


def test_a_deleted_server_leaves_a_node_to_use_again(
    metal: Workspace, scratch: Path, instance: Instance
) -> None:
    connection = openstack.connect(cloud="undercloud")
    (used,) = connection.baremetal.nodes(instance_id=instance.id)
    stack = connection.orchestration.find_stack(CLOUD)
    connection.orchestration.delete_stack(stack)
    connection.orchestration.wait_for_delete(stack, wait=300)
    node = connection.baremetal.get_node(used.id)
    assert (node.provision_state, node.instance_id) == ("available", None)
    assert not list(connection.network.ports(device_id=instance.id))
    # Its cable is out of the switch, its images are gone; what is kept is the cache.
    assert "vnet" not in inside(metal, "ovs-vsctl", "list-ports", "br-ctlplane")
    listed = inside(metal, "find", "/var/lib/ironic/httpboot", "-name", f"*{used.id}*")
    assert listed.strip() == ""


def test_a_partition_image_is_deployed_on_it(metal: Workspace, cloud: Any, scratch: Path) -> None:
    """Ironic makes the partitions, and has the image's own GRUB written to the disk."""
    file = str(scratch / "metal.yaml")
    build = [sys.executable, "-m", "imagebuild.build", "--partition"]
    build += ["-c", str(metal.stacks(CLOUD) / "images.yaml"), "-o", str(metal.images(CLOUD))]
    subprocess.run(build, check=True)
    for step in ("load", "deploy", "verify"):
        assert devtest(step, "--cloud", file).returncode == 0
    (instance,) = instances.of_cloud(cloud, CLOUD)
    (node,) = cloud.baremetal.nodes(instance_id=instance.id, details=True)
    assert node.instance_info["image_type"] == "partition"
    assert in_instance(metal, instance, "systemctl is-system-running --wait") == "running"
    # The first partition is the config drive's, which of a whole disk is the last.
    assert in_instance(metal, instance, "findmnt -n -o SOURCE /") == "/dev/vda2"
