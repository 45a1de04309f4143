# SPDX-License-Identifier: Apache-2.0
"""Network devices of containers: the functions that need root.

They run in the privileged helper where nova-compute is not root, so they take and return plain
data, and each does one thing with checked arguments: a way to run any command would be a way to be
root.
"""

import json
import re
import socket

from oslo_concurrency import processutils

from novadrivers.docker import commands
from novadrivers.shared import privsep

DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")


def exists(device: str) -> bool:
    """Say whether the machine has a network device of that name."""
    return device in (name for _, name in socket.if_nameindex())


@privsep.context.entrypoint
def inside(pid: int) -> dict[str, str]:
    """Return the devices in the network namespace of process ``pid``: names by MAC address."""
    out, _ = processutils.execute(*commands.namespace(pid), "ip", "-json", "link", "show")
    return {
        link["address"].lower(): link["ifname"] for link in json.loads(out) if "address" in link
    }


@privsep.context.entrypoint
def create(pid: int, device: str, name: str, mac: str, mtu: int | None) -> None:
    """Make a port: ``device`` outside, up, and ``name`` in the namespace of ``pid``."""
    interface = commands.Interface(_checked(device), _checked(name), mac, mtu)
    _delete(device)
    processutils.execute(*commands.create_pair(interface, pid))
    processutils.execute("ip", "link", "set", "dev", device, "up")


@privsep.context.entrypoint
def configure(pid: int, name: str, addresses: list[str], routes: list[tuple[str, str]]) -> None:
    """Bring the port ``name`` in the namespace of ``pid`` up, with its addresses and routes."""
    interface = commands.Interface(
        "", _checked(name), "", None, tuple(addresses), tuple((to, via) for to, via in routes)
    )
    processutils.execute(
        *commands.namespace(pid), "ip", "-batch", "-", process_input=commands.configure(interface)
    )


@privsep.context.entrypoint
def enslave(device: str, bridge: str) -> None:
    """Put ``device`` into the Linux bridge ``bridge``."""
    processutils.execute("ip", "link", "set", "dev", _checked(device), "master", _checked(bridge))


@privsep.context.entrypoint
def delete(device: str) -> None:
    """Remove ``device``, and with it the end that is in a container; nothing where it is gone."""
    _delete(device)


def _delete(device: str) -> None:
    # 1: it does not exist. It may go between a look and the command: its other end's namespace can
    # end.
    processutils.execute("ip", "link", "delete", "dev", _checked(device), check_exit_code=[0, 1])
    if exists(device):
        raise OSError(f"the network device {device} cannot be removed")


def _checked(device: str) -> str:
    if not DEVICE.fullmatch(device):
        raise ValueError(f"not the name of a network device: {device!r}")
    return device
