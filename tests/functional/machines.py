# SPDX-License-Identifier: Apache-2.0
"""Bare-metal nodes without machines: Ironic's fake-hardware, for tests of placement."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import guests

if TYPE_CHECKING:
    from openstack.connection import Connection

PREFIX = "fake-machine"
# Seconds until Nova's ironic driver has noticed the nodes.
NOTICED = 240


def fake(number: int) -> dict[str, Any]:
    """Return a node as nodes.json has it."""
    return {
        "name": f"{PREFIX}-{number}",
        "pm_type": "fake-hardware",
        "mac": [f"52:54:00:fa:fe:{0x10 + number:02x}"],
        "cpu": "1",
        "memory": "1024",
        "disk": "10",
        "arch": "x86_64",
    }


@contextlib.contextmanager
def enrolled(connection: Connection, count: int, directory: Path) -> Iterator[None]:
    """Have ``count`` nodes while the block runs, if the undercloud has Ironic."""
    if "ironic" not in guests.enabled():
        yield
        return
    try:
        enrol(connection, count, directory)
        yield
    finally:
        remove(connection)


def enrol(connection: Connection, count: int, directory: Path) -> None:
    """Register ``count`` nodes of fake-hardware, and wait until Placement offers them alone."""
    baremetal = connection.baremetal
    for node in baremetal.nodes(fields=["uuid", "name"]):
        if not (node.name or "").startswith(PREFIX):
            baremetal.set_node_maintenance(node, "a test of placement")
    register_fakes(count, directory)
    # Deploying does not do it, and Nova stops a server whose machine is off.
    for node in _ours(connection):
        baremetal.set_node_power_state(node, "power on")
    guests.until(
        "machines are off",
        60,
        lambda: {each.power_state for each in _ours(connection)} == {"power on"},
    )
    await_free(connection)


def register(path: Path, *nodes: dict[str, Any]) -> list[str]:
    """Run register-nodes on ``nodes``, which go into the file ``path``; return its lines.

    It makes available again what Ironic failed to clean, too.
    """
    path.write_text(json.dumps({"nodes": nodes}))
    command = [sys.executable, "-m", "setupcloud.nodes", "-n", path]
    environment = {**os.environ, "OS_CLOUD": "undercloud"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def register_fakes(count: int, directory: Path) -> None:
    """Register ``count`` nodes of fake-hardware, or see to it that they are available."""
    register(directory / "fake-machines.json", *map(fake, range(count)))


def _ours(connection: Connection) -> list[Any]:
    listed = connection.baremetal.nodes(details=True)
    return [node for node in listed if (node.name or "").startswith(PREFIX)]


def await_free(connection: Connection) -> None:
    """Wait until Placement offers these nodes alone, all of them; say why it does not."""
    wanted = {node.id for node in _ours(connection)}

    def noticed() -> bool:
        # The first microversion whose list can be filtered by resources.
        path = "/resource_providers?resources=CUSTOM_BAREMETAL:1"
        answer = connection.placement.get(path, microversion="1.4").json()
        # Before the first node Placement knows no such class and says so.
        return wanted == {each["uuid"] for each in answer.get("resource_providers", ())}

    try:
        guests.until("Placement has not just these nodes", NOTICED, noticed)
    except AssertionError as error:
        for node in _ours(connection):
            error.add_note(f"{node.name}: {node.provision_state}, {node.last_error}")
        raise


def remove(connection: Connection) -> None:
    """Offer the other nodes again, and delete these, which must carry no server.

    A later server would be sent to one that stays, and never come up.
    """
    baremetal = connection.baremetal
    ours = _ours(connection)
    removed = {node.id for node in ours}
    for node in baremetal.nodes():
        if node.id not in removed:
            baremetal.unset_node_maintenance(node)
    baremetal.wait_for_nodes_provision_state(ours, "available", timeout=120, fail=False)
    for node in ours:
        baremetal.set_node_maintenance(node, "the test is over")
        baremetal.delete_node(node)

    def forgotten() -> bool:
        listed = connection.placement.get("/resource_providers").json()["resource_providers"]
        return removed.isdisjoint(each["uuid"] for each in listed)

    # The next server would be sent to one of them.
    guests.until("Placement still has the nodes", NOTICED, forgotten)
