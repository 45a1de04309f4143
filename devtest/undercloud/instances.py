# SPDX-License-Identifier: Apache-2.0
"""The instances of the clouds: servers in the undercloud's Nova, and access to them by ssh."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from altostratus.clients.nova import Nova, Server
from altostratus.errors import AltostratusError
from altostratus.process import run
from devtest.undercloud.lifecycle import current
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

# cloud-init's default user in Debian's images.
USER = "debian"
KEYPAIR = "altostratus"
FAILED_UNITS = "list-units --failed --plain --no-legend"
# Seconds: an emulated machine may still be booting.
BOOT_TIMEOUT = 180.0
REFRESH = "/var/lib/altostratus/refresh.json"


@dataclass(frozen=True)
class Instance:
    """A server of the undercloud, as Nova reports it; ``addresses`` are IPv4, by network.

    ``cloud`` and ``role`` come from the server's metadata, which the stack sets; ``domain`` is its
    name in libvirt, ``image`` the id of its image.
    """

    name: str
    id: str
    cloud: str
    role: str
    status: str
    host: str
    addresses: dict[str, str]
    fault: str = ""
    domain: str = ""
    image: str = ""


def list_instances(undercloud: Connection) -> list[Instance]:
    """Return every server of the undercloud, ordered by name."""
    servers = Nova(undercloud.config).servers()
    return sorted((_instance(server) for server in servers), key=lambda each: each.name)


def _instance(server: Server) -> Instance:
    return Instance(
        name=server.name,
        id=server.id,
        cloud=server.metadata.get("cloud", ""),
        role=server.metadata.get("role", ""),
        status=server.status,
        host=server.host,
        addresses=dict(server.addresses),
        fault=server.fault,
        domain=server.domain,
        image=server.image,
    )


def of_cloud(undercloud: Connection, cloud: str) -> list[Instance]:
    """Return the servers of ``cloud``, ordered by name."""
    return [each for each in list_instances(undercloud) if each.cloud == cloud]


def find(undercloud: Connection, name: str) -> Instance:
    """Return the server called ``name``, or CLOUD/NAME where several clouds have one.

    Raises AltostratusError that lists the existing ones.
    """
    everyone = list_instances(undercloud)
    cloud, _, plain = name.rpartition("/")
    found = [each for each in everyone if each.name == plain and cloud in ("", each.cloud)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(f"{each.cloud}/{each.name}" for each in found or everyone) or "none"
    problem = f"several instances are called {name}" if found else f"no instance is called {name}"
    raise AltostratusError(problem, f"instances: {names}")


def reachable(addresses: Iterable[str], routes: Iterable[str]) -> str | None:
    """Return the first address that lies in one of ``routes`` (CIDR), None if there is none."""
    networks = [IPv4Network(route) for route in routes]
    given = [each for each in addresses if each]
    return next((each for each in given if any(IPv4Address(each) in n for n in networks)), None)


def ssh_command(
    workspace: Workspace, instance: Instance, command: Sequence[str], terminal: bool = False
) -> list[str]:
    """Return the argument list that runs ``command`` (empty: a shell) in ``instance``.

    The shell there gets the words of ``command``, joined by blanks. With ``terminal`` the command
    has one, as a shell has.
    Host keys are not checked: the instances run on this machine, and their addresses are reused.
    """
    routes = current(workspace).network.routes
    address = reachable(instance.addresses.values(), routes)
    if address is None:
        raise AltostratusError(
            f"{instance.name} has no address in {', '.join(routes) or 'a known network'}",
            f"its status: {instance.status}",
        )
    options = {
        "IdentityFile": str(workspace.key),
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": os.devnull,
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
    }
    settings = [f"-o{name}={value}" for name, value in options.items()]
    own = ["-t"] if terminal and command else []
    return ["ssh", *settings, *own, f"{USER}@{address}", *command]


def execute(workspace: Workspace, instance: Instance, *command: str, timeout: float = 30.0) -> str:
    """Run ``command`` in ``instance`` and return its standard output; see ``process.run``."""
    return run(ssh_command(workspace, instance, command), timeout=timeout).stdout


def refresh_report(workspace: Workspace, instance: Instance) -> dict[str, Any]:
    """Return the last report of os-refresh-config in ``instance``, empty if there is none yet."""
    text = execute(workspace, instance, f"sudo cat {REFRESH} 2>/dev/null; true")
    return dict(json.loads(text)) if text.strip() else {}


def system_state(workspace: Workspace, instance: Instance) -> list[str]:
    """Return the state of systemd in ``instance`` (systemctl is-system-running), then failed units.

    Waits until the boot has finished.
    """
    command = f"systemctl is-system-running --wait; systemctl {FAILED_UNITS}"
    words = execute(workspace, instance, command, timeout=BOOT_TIMEOUT).splitlines()
    return [line.split()[0] for line in words if line.strip()]


def journal(workspace: Workspace, instance: Instance, lines: int = 200) -> str:
    """Return the end of the journal of ``instance``."""
    return execute(workspace, instance, f"sudo journalctl --no-pager --lines={lines}")


def console(undercloud: Connection, instance: Instance, lines: int = 100) -> str:
    """Return the last ``lines`` lines of the console log of ``instance``, from Nova."""
    return Nova(undercloud.config).console(instance.id, lines)
