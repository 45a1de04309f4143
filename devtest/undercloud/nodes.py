# SPDX-License-Identifier: Apache-2.0
"""Further nodes beside the undercloud: system containers that add hypervisors to it.

A node is an instance of a cloud file with ``join: undercloud.yaml``, such as
``examples/hypervisor-node.yaml``. Its eth0 is one end of a veth pair; the other end is a port of
the undercloud's bridge to the provider networks and carries them untagged and tagged, as a trunk
port of a switch does.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.clients.errors import translated
from altostratus.clients.nova import Nova
from altostratus.errors import AltostratusError, InputError
from devtest import container
from devtest.container import cgroups, hostnet, spec
from devtest.container.spec import Network, Spec
from devtest.undercloud import instances, lifecycle, prepare
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator.output.generated import Generated
from novadrivers.processes import Process, processes

if TYPE_CHECKING:
    from openstack.connection import Connection

CLOUD = "hypervisor-node.yaml"
LOCAL_DATA = "/var/lib/os-collect-config/local-data"
# Seconds: start until configured; until Nova and Neutron know the node; deletion of instances.
READY_TIMEOUT = 600.0
REGISTER_TIMEOUT = 180.0
DELETE_TIMEOUT = 120.0
# ip-link(8).
LINK_LENGTH = 15


@dataclass(frozen=True)
class Node:
    """A node: its container, and the hosts of its services in Nova and Neutron."""

    name: str
    spec: Spec
    compute_hosts: tuple[str, ...]
    agent_host: str


def describe(workspace: Workspace, cloud: str, name: str) -> Node:
    """Return the node ``name`` of the generated and built cloud ``cloud``.

    Raises InputError if the cloud has no such node.
    """
    generated, images = workspace.generated(cloud), workspace.images(cloud)
    if name not in generated.instances:
        listed = ", ".join(generated.instances)
        raise InputError(f"{cloud} has no node {name}", f"nodes: {listed}")
    metadata = generated.metadata(name)
    image = lifecycle.built(workspace, cloud, metadata["instance"]["role"])
    described = Spec(
        name=f"{workspace.settings.container}-{name}",
        state=workspace.nodes / name,
        image=images / image["file"],
        image_key=image["sha256"],
        network=_link(workspace, generated, metadata),
        files={
            "/etc/hostname": f"{name}\n",
            "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {name}\n",
            # The bridge has the address.
            "/etc/systemd/network/05-wire.network": "[Match]\nName=eth0\n\n[Link]\nUnmanaged=yes\n",
        },
        secrets={f"{LOCAL_DATA}/{name}.json": str(generated.metadata_file(name))},
        data=lifecycle.state_paths(metadata),
    )
    return _node(described)


def _link(workspace: Workspace, generated: Generated, metadata: dict[str, Any]) -> Network:
    """Return the node's link: its address is the one on the network of the undercloud."""
    router, name = lifecycle.address(workspace), metadata["instance"]["name"]
    addresses = metadata["instance"]["addresses"]
    for each in generated.networks:
        if each.gateway == router and each.name in addresses:
            prefix, own = each.cidr.prefixlen, addresses[each.name]
            peer = workspace.settings.container
            return Network(link_name(name), f"{router}/{prefix}", f"{own}/{prefix}", peer=peer)
    raise AltostratusError(
        f"{name} is on no network whose gateway is the undercloud, {router}",
        "give it the undercloud's network: examples/hypervisor-node.yaml",
    )


def link_name(node: str) -> str:
    """Return the name of the end of a node's link that is in the undercloud's network namespace."""
    plain = f"as-{node}"
    if len(plain) <= LINK_LENGTH:
        return plain
    return f"as-{hashlib.sha256(node.encode()).hexdigest()[:12]}"


def _node(described: Spec) -> Node:
    name = described.state.name
    metadata = json.loads(Path(described.secrets[f"{LOCAL_DATA}/{name}.json"]).read_text())
    hosts = tuple(host for each in processes(metadata) for host in _hosts(each))
    return Node(name, described, hosts, metadata["neutron"]["agent_host"])


def _hosts(process: Process) -> list[str]:
    """Return Nova's names of a process; with a count there are several of it (nova-fake)."""
    count = process.settings.get("count")
    return [process.host] if count is None else [f"{process.host}-{i}" for i in range(count)]


def containers(workspace: Workspace) -> list[Spec]:
    """Return the containers of the nodes that were added, running or not, ordered by name."""
    return [spec.load(path) for path in sorted(workspace.nodes.glob("*/spec.json"))]


def processes_of_all(workspace: Workspace) -> set[int]:
    """Return the pids of all processes of the undercloud, its nodes and their guests."""
    every = (lifecycle.current(workspace), *containers(workspace))
    return {pid for each in every for pid in cgroups.members(each.cgroups)}


def added(workspace: Workspace) -> list[Node]:
    """Return the nodes that were added, running or not, ordered by name."""
    return [_node(each) for each in containers(workspace)]


def choose(workspace: Workspace, cloud: str, name: str | None) -> str:
    """Return the name of the node to add: ``name``, or the first that is not there yet."""
    there = {each.state.name for each in containers(workspace)}
    free = [each for each in workspace.generated(cloud).instances if each not in there]
    if name is None and not free:
        raise AltostratusError(
            f"all nodes of {cloud} are there: {', '.join(sorted(there))}",
            "devtest node remove NAME, or raise 'count' in the cloud file",
        )
    return name or free[0]


def find(workspace: Workspace, name: str | None) -> Node:
    """Return the added node called ``name``; None means the only one.

    Raises AltostratusError that lists the existing ones.
    """
    there = added(workspace)
    chosen = [each for each in there if name in (None, each.name)]
    if len(chosen) == 1:
        return chosen[0]
    listed = ", ".join(each.name for each in there) or "none"
    raise AltostratusError(f"no node {name}" if name else "which node?", f"nodes: {listed}")


def start(workspace: Workspace, node: Node) -> None:
    """Start the node's container unless it runs, and add its link to the undercloud's bridge."""
    container.start(node.spec)
    bridge, link = lifecycle.bridge(workspace), node.spec.network.link
    add = ("--may-exist", "add-port", bridge, link)
    container.inside(lifecycle.current(workspace), "ovs-vsctl", *add)


def resume(workspace: Workspace) -> None:
    """Start the added nodes again, after the undercloud was started again.

    Links end with the undercloud's network namespace: a node that still runs without one is
    restarted. Returns when all nodes are configured.
    """
    nodes = added(workspace)
    for node in nodes:
        network = node.spec.network
        if container.pid(node.spec) and network.link not in hostnet.links(network.peer):
            container.stop(node.spec)
        start(workspace, node)
    for node in nodes:
        lifecycle.wait_until_ready(node.spec, READY_TIMEOUT, node.name)


def suspend(workspace: Workspace, timeout: float = container.STOP_TIMEOUT) -> None:
    """Stop the containers of all nodes; see ``container.stop``."""
    for each in containers(workspace):
        container.stop(each, timeout)


def await_registered(connection: Connection, node: Node) -> None:
    """Wait until Nova can place servers on the node and Neutron can bind their ports there."""
    _wait(node, lambda: _missing(connection, node), "did not register", REGISTER_TIMEOUT)
    nova = Nova(connection.config)
    for service in nova.compute_services(node.compute_hosts):
        if service.status == "disabled":
            nova.enable(service)


def _missing(connection: Connection, node: Node) -> list[str]:
    alive = any(agent.is_alive for agent in _agents(connection, node))
    missing = sorted(set(node.compute_hosts) - prepare.compute_hosts(connection))
    return missing + ([] if alive else [f"the layer 2 agent of {node.agent_host}"])


def _agents(connection: Connection, node: Node) -> list[Any]:
    with translated("Neutron"):
        return list(connection.network.agents(host=node.agent_host))


def on(connection: Connection, node: Node) -> list[Instance]:
    """Return the instances on the node."""
    everyone = instances.list_instances(connection)
    return [each for each in everyone if each.host in node.compute_hosts]


def _schedule(connection: Connection, node: Node, enabled: bool) -> None:
    """Let Nova's scheduler place servers on the node, or stop it from doing so.

    The services of a node that does not run are forced down instead: Nova would ask its
    nova-compute to take note, and wait for the answer for minutes (rpc_response_timeout).
    """
    nova = Nova(connection.config)
    for service in nova.compute_services(node.compute_hosts):
        if container.pid(node.spec) is None:
            nova.force_down(service, not enabled)
        elif enabled:
            nova.enable(service)
        else:
            nova.disable(service, "devtest node remove")


def drain(connection: Connection, node: Node, delete: bool) -> None:
    """Stop scheduling to the node and make sure that it has no instance.

    With ``delete`` its instances are deleted. Otherwise AltostratusError names them, and the node
    takes servers again.
    """
    _schedule(connection, node, False)
    there = on(connection, node)
    if there and not delete:
        _schedule(connection, node, True)
        raise AltostratusError(
            f"{node.name} has instances: {', '.join(each.name for each in there)}",
            "move or delete them, or --delete-instances",
        )
    for each in there:
        Nova(connection.config).delete_server(each.id)
    _wait(
        node,
        lambda: [each.name for each in on(connection, node)],
        "were not deleted",
        DELETE_TIMEOUT,
    )


def _wait(node: Node, left: Callable[[], Sequence[str]], failure: str, timeout: float) -> None:
    """Wait until nothing is ``left``; after ``timeout`` seconds that is an error."""
    deadline = time.monotonic() + timeout
    while waited_for := left():
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"{node.name}: {', '.join(waited_for)} {failure} in {timeout:.0f} s",
                f"devtest logs {node.name}",
            )
        time.sleep(1)


def forget(workspace: Workspace, connection: Connection, node: Node) -> None:
    """Stop a drained node and remove its records: services, agents, port of the bridge, state.

    The container stops first: a running nova-compute would create its record again.
    """
    container.stop(node.spec)
    nova = Nova(connection.config)
    for service in nova.compute_services(node.compute_hosts):
        nova.delete_service(service)
    for agent in _agents(connection, node):
        with translated("Neutron"):
            connection.network.delete_agent(agent)
    unplug = ("--if-exists", "del-port", lifecycle.bridge(workspace), node.spec.network.link)
    container.inside(lifecycle.current(workspace), "ovs-vsctl", *unplug)
    shutil.rmtree(node.spec.state)
