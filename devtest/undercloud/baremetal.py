# SPDX-License-Identifier: Apache-2.0
"""Virtual bare-metal nodes in the undercloud, as many as a cloud needs, enrolled with Ironic."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from altostratus.clients.errors import translated
from altostratus.clients.nova import Nova
from altostratus.errors import AltostratusError
from altostratus.files import write_text
from altostratus.process import CommandError
from devtest import container
from devtest.undercloud import instances, lifecycle
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

# The element virtual-baremetal has this command, which makes the machines and describes them here.
MAKE = ("in-hypervisor", "baremetal", "virtual-baremetal", "ensure")
NODES = "/var/lib/virtual-baremetal/nodes.json"
HOST = "-ironic"
# A node's resource class in Placement, as Nova's ironic driver writes it.
RESOURCE = "CUSTOM_BAREMETAL"
# Seconds. Nova's ironic driver reports nodes every 15 s.
TIMEOUT = 180.0


def missing(connection: Connection, cloud: str, roles: Mapping[str, int]) -> int:
    """Return how many more free nodes ``cloud`` needs.

    ``roles`` maps the roles on bare metal to their numbers of instances. Nodes of roles that leave
    bare metal do not count: Heat frees them only after the new servers exist.
    """
    staying = [each for each in _on_nodes(connection, cloud) if each.role in roles]
    return max(0, sum(roles.values()) - len(staying))


def stop_leaving(connection: Connection, cloud: str, roles: Collection[str]) -> list[str]:
    """Stop the servers on bare metal whose role is not one of ``roles``; return their names.

    Heat gives their ports to servers of another type before it deletes them. Nova unplugs ports
    from containers and virtual machines, but not from a physical node, which would go on using the
    addresses that its successor has now.
    """
    nova = Nova(connection.config)
    leaving = [each for each in _on_nodes(connection, cloud) if each.role not in roles]
    running = [each for each in leaving if each.status == "ACTIVE"]
    for one in running:
        nova.stop_server(one.id)
    for one in running:
        _await_stopped(nova, one)
    return [one.name for one in running]


def _await_stopped(nova: Nova, instance: Instance) -> None:
    deadline = time.monotonic() + TIMEOUT
    while (status := nova.server(instance.id).status) != "SHUTOFF":
        if status == "ERROR" or time.monotonic() > deadline:
            raise AltostratusError(
                f"{instance.name} did not stop in {TIMEOUT:.0f} s: it is {status}",
                "devtest undercloud enter journalctl -u nova-compute-ironic",
            )
        time.sleep(1)


def _on_nodes(connection: Connection, cloud: str) -> list[Instance]:
    return [each for each in instances.of_cloud(connection, cloud) if each.host.endswith(HOST)]


def make(workspace: Workspace, connection: Connection, free: int) -> Path:
    """Make machines until ``free`` of them have no server; return the nodes.json of all (0600).

    Raises AltostratusError when the undercloud cannot make machines.
    """
    with translated("Ironic"):
        nodes = list(connection.baremetal.nodes(details=True))
    taken = sum(1 for node in nodes if node.instance_id)
    running = lifecycle.current(workspace)
    try:
        container.inside(running, *MAKE, str(taken + free))
        described = container.inside(running, "cat", NODES)
    except CommandError as error:
        raise AltostratusError(
            f"the undercloud made no virtual bare-metal nodes: {error.output or error.message}",
            "examples/undercloud.yaml must have the service virtual-baremetal",
        ) from error
    path = workspace.state / "nodes.json"
    write_text(path, described, mode=0o600)
    return path


def await_placement(connection: Connection, free: int) -> None:
    """Wait until Placement knows ``free`` nodes without a server.

    Nova's ironic driver reports nodes in a periodic task. Raises AltostratusError after TIMEOUT.
    """
    deadline = time.monotonic() + TIMEOUT
    while (found := len(_with_room(connection))) < free:
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"Placement knows {found} free bare-metal nodes of {free} after {TIMEOUT:.0f} s",
                "openstack --os-cloud undercloud baremetal node list; "
                "devtest undercloud enter journalctl -u nova-compute-ironic",
            )
        time.sleep(1)


def _with_room(connection: Connection) -> Collection[object]:
    # The first microversion whose list can be filtered by resources is 1.4.
    with translated("Placement"):
        answer = connection.placement.get(
            f"/resource_providers?resources={RESOURCE}:1", microversion="1.4"
        )
        found: list[object] = answer.json()["resource_providers"] if answer.ok else []
    return found
