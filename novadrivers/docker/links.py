# SPDX-License-Identifier: Apache-2.0
"""Network devices of containers: the functions that need root.

Where nova-compute is not root they run in the privileged helper, so they take and return plain
data. Each does one thing and checks its arguments: a function that runs any command would give away
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
    """Tell whether the node has the network ``device``."""
    return device in (name for _, name in socket.if_nameindex())


@privsep.net_admin_pctxt.entrypoint
def names_by_mac(pid: int) -> dict[str, str]:
    """Return the devices in the network namespace of ``pid``: names by MAC address."""
    out, _ = processutils.execute(*commands.namespace(pid), "ip", "-json", "link", "show")
    return {
        link["address"].lower(): link["ifname"] for link in json.loads(out) if "address" in link
    }


@privsep.net_admin_pctxt.entrypoint
def create(pid: int, device: str, name: str, mac: str, mtu: int | None) -> None:
    """Create a veth pair: ``device`` on the node, set up, and ``name`` in the namespace of ``pid``.

    An existing ``device`` is replaced. ``mtu`` is in bytes; None for the kernel's default.
    """
    interface = commands.Interface(_checked(device), _checked(name), mac, mtu)
    _delete(device)
    processutils.execute(*commands.create_pair(interface, pid))
    processutils.execute("ip", "link", "set", "dev", device, "up")


@privsep.net_admin_pctxt.entrypoint
def configure(pid: int, name: str, addresses: list[str], routes: list[tuple[str, str]]) -> None:
    """Set the device ``name`` in the namespace of ``pid`` up, with its addresses and routes.

    ``addresses`` have a prefix length; ``routes`` are pairs of destination and gateway.
    """
    interface = commands.Interface(
        "", _checked(name), "", None, tuple(addresses), tuple((to, via) for to, via in routes)
    )
    processutils.execute(
        *commands.namespace(pid), "ip", "-batch", "-", process_input=commands.configure(interface)
    )


@privsep.net_admin_pctxt.entrypoint
def add_to_bridge(device: str, bridge: str) -> None:
    """Add ``device`` to the Linux bridge ``bridge``."""
    processutils.execute("ip", "link", "set", "dev", _checked(device), "master", _checked(bridge))


@privsep.net_admin_pctxt.entrypoint
def delete(device: str) -> None:
    """Delete ``device`` and its peer in a container; do nothing if it does not exist.

    Raises OSError if it still exists afterwards.
    """
    _delete(device)


def _delete(device: str) -> None:
    # 1: it does not exist. Checking first would not help: it disappears whenever its peer's
    # namespace does.
    processutils.execute("ip", "link", "delete", "dev", _checked(device), check_exit_code=[0, 1])
    if exists(device):
        raise OSError(f"the network device {device} cannot be deleted")


def _checked(device: str) -> str:
    if not DEVICE.fullmatch(device):
        raise ValueError(f"not the name of a network device: {device!r}")
    return device
