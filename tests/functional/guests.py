# SPDX-License-Identifier: Apache-2.0
"""Servers of tiny guests in the undercloud's Nova, made and unmade by the dozen."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tiny

from altostratus import datafiles
from altostratus.hypervisors import HYPERVISORS
from devtest import clouds
from devtest.cloud import cloudfiles
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

FLAVOR = "test-tiny"
NETWORK = "ctlplane"
# Seconds. Looking costs the machine more than waiting.
BETWEEN_LOOKS = 2


def connect(workspace: Workspace) -> Connection:
    return clouds.connect(workspace, "undercloud")


def enabled() -> list[str]:
    """Return the types that have a nova-compute on the undercloud."""
    cloud, _ = cloudfiles.read(datafiles.examples_path() / "undercloud.yaml")
    services = {name for role in cloud.roles.values() for name in role.services}
    return [name for name in HYPERVISORS if f"nova-{name}" in services]


def until(
    what: str, seconds: float, condition: Callable[[], Any], between: float = BETWEEN_LOOKS
) -> Any:
    """Return the first true result of ``condition``, looked at every ``between`` seconds."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, f"after {seconds:.0f} s: {what}"
        time.sleep(between)
    return result


def until_nothing(seconds: float, left: Callable[[], Any]) -> None:
    """Wait until ``left`` returns nothing, looked at now and then; fail with what is left."""
    deadline = time.monotonic() + seconds
    while rest := left():
        assert time.monotonic() < deadline, rest
        time.sleep(BETWEEN_LOOKS)


def load(
    workspace: Workspace,
    hypervisor: str,
    directory: Path,
    name: str = "tiny",
    init: str = tiny.INIT,
) -> str:
    """Load the tiny image of a type with load-image and return its id; see ``tiny.image``."""
    file = tiny.image(hypervisor, directory, name, init)
    command = [sys.executable, "-m", "imagebuild.load", file, "--hypervisor", hypervisor]
    environment = {"OS_CLIENT_CONFIG_FILE": str(workspace.clouds_yaml), "OS_CLOUD": "undercloud"}
    done = subprocess.run(
        [*command, "--name", f"{name}-{hypervisor}"],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout.split()[-1]


def flavor(connection: Connection, hypervisor: str = "lxc") -> str:
    """Return the id of a tiny flavor with what the type wants (a machine for ironic)."""
    extra = HYPERVISORS[hypervisor].flavor_properties if hypervisor in HYPERVISORS else {}
    name = f"{FLAVOR}-{hypervisor}" if extra else FLAVOR
    known = connection.compute.find_flavor(name)
    if known is None:
        known = connection.compute.create_flavor(name=name, ram=64, vcpus=1, disk=1)
        if extra:
            connection.compute.create_flavor_extra_specs(known, dict(extra))
    return str(known.id)


def boot(connection: Connection, name: str, image: str, count: int = 1, **more: Any) -> list[str]:
    """Ask for ``count`` servers called NAME-1 and so on, in one request; return their ids."""
    network = connection.network.find_network(NETWORK, ignore_missing=False)
    more.setdefault("flavor_id", flavor(connection))
    connection.compute.create_server(
        name=name,
        image_id=image,
        networks=more.pop("networks", [{"uuid": network.id}]),
        min_count=count,
        max_count=count,
        **more,
    )
    return [each.id for each in connection.compute.servers() if each.name.startswith(name)]


def settled(connection: Connection, ids: Sequence[str], seconds: float) -> list[Any]:
    """Wait until no server is being built and return all."""

    def done() -> bool:
        # Without details: for those Nova asks Neutron for the ports each time.
        building = connection.compute.servers(details=False, status="BUILD")
        return {each.id for each in building}.isdisjoint(ids)

    until("servers are still being built", seconds, done)
    return known(connection, ids)


def known(connection: Connection, ids: Sequence[str]) -> list[Any]:
    """Return those of the servers that Nova knows, with details."""
    return [each for each in connection.compute.servers() if each.id in ids]


def fault(connection: Connection, server: str) -> str:
    """Return the reason of a server in ERROR, which Nova writes down after the status."""
    found = until("no reason", 10, lambda: connection.compute.get_server(server).fault)
    return str(found["message"])


def answers(address: str) -> bool:
    """Say whether an address of a provider network answers this machine."""
    ping = ["ping", "-c", "1", "-W", "1", address]
    return subprocess.run(ping, capture_output=True).returncode == 0


def gone(connection: Connection, ids: Sequence[str], seconds: float) -> None:
    """Wait until Nova knows the servers no more; say of those that stay why."""

    def away() -> bool:
        return {each.id for each in connection.compute.servers(details=False)}.isdisjoint(ids)

    try:
        until("servers are not gone", seconds, away)
    except AssertionError as error:
        for each in known(connection, ids):
            error.add_note(f"{each.name}: {each.status}, {(each.fault or {}).get('details')}")
        raise


def delete(connection: Connection, ids: Sequence[str], seconds: float = 300) -> None:
    """Delete servers and wait until Nova knows them no more."""
    for each in ids:
        connection.compute.delete_server(each, ignore_missing=True)
    gone(connection, ids, seconds)
