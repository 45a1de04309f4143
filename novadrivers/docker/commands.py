# SPDX-License-Identifier: Apache-2.0
"""iproute2 commands for the ports of a container, as data."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_interface, ip_network


@dataclass(frozen=True)
class Interface:
    """A port in a container's network namespace."""

    host_device: str
    """Device on the node, named as Neutron's agents expect: tapXXXXXXXX-XX."""
    name: str
    """Device in the container: eth0, eth1…"""
    mac: str
    mtu: int | None = None
    addresses: tuple[str, ...] = ()
    """With prefix length: 192.0.2.7/24."""
    routes: tuple[tuple[str, str], ...] = ()
    """Destination network and gateway."""


def namespace(pid: int) -> list[str]:
    """Return the prefix of a command that is to run in the network namespace of ``pid``."""
    return ["nsenter", f"--net=/proc/{int(pid)}/ns/net", "--"]


def create_pair(interface: Interface, pid: int) -> list[str]:
    """Return the command that creates the veth pair of a port, one end in ``pid``'s namespace."""
    mtu = ["mtu", str(interface.mtu)] if interface.mtu else []
    # A bridge takes the lowest MAC address of its ports as its own. A random one could change a
    # gateway's address under running instances. libvirt's taps begin with fe for the same reason.
    high = f"fe{interface.mac[2:]}"
    outside = ["name", interface.host_device, "address", high, *mtu, "type", "veth"]
    inside = ["name", interface.name, "address", interface.mac, *mtu, "netns", str(int(pid))]
    return ["ip", "link", "add", *outside, "peer", *inside]


def configure(interface: Interface) -> str:
    """Return the input of ``ip -batch`` that sets a port up, with its addresses and routes."""
    name = interface.name
    lines = ["link set lo up", f"link set {name} up"]
    for address in interface.addresses:
        # Neutron allocated the address, so that duplicate address detection would only delay.
        nodad = " nodad" if ip_interface(address).version == 6 else ""
        lines.append(f"addr replace {ip_interface(address).with_prefixlen} dev {name}{nodad}")
    for destination, gateway in interface.routes:
        target = ip_network(destination)
        family = f"-{target.version} " if target.version == 6 else ""
        via = ip_interface(gateway).ip
        # onlink: Neutron allows gateways outside the subnet.
        lines.append(f"{family}route replace {target} via {via} dev {name} onlink")
    return "\n".join(lines) + "\n"


def free_name(used: Sequence[str]) -> str:
    """Return the first name of eth0, eth1… that is not in ``used``."""
    return next(f"eth{n}" for n in range(len(used) + 1) if f"eth{n}" not in used)
