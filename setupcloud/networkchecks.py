# SPDX-License-Identifier: Apache-2.0
"""What a schema cannot say of ``networks.json``: addresses and VLAN ids that Neutron would refuse.

Rules are Neutron's: ``_validate_subnet`` of neutron/db/db_base_plugin_v2.py, neutron/ipam/utils.py.
Neutron would find one at a time, after having made other networks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from altostratus.yamlfile import addresses
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report

# The longest prefix of a subnet with DHCP.
_DHCP_PREFIX = 30


def check(networks: Iterable[Node], report: Report) -> None:
    """Add what is wrong in ``networks``, of which each value is of the schema's form."""
    given = list(networks)
    for network in given:
        _check_type(network, report)
        _check_addresses(network, report)
    _check_segments(given, report)


def foreign(root: Node, report: Report) -> bool:
    """Whether ``root`` is the networks file of TripleO's os-cloud-config; ``report`` says so."""
    theirs = root.fields.keys() & {"float", "external", "physical"}
    if not theirs or "networks" in root.fields:
        return False
    message = (
        f"'{min(theirs)}': this is the form of os-cloud-config, which altostratus does not read"
    )
    hint = (
        '{"networks": [{"name": "ctlplane", "type": "flat", "physical_network": "ctlplane", '
        '"cidr": "192.0.2.0/24"}]}; docs/networks.md has all keys'
    )
    report.add(root.mark, message, hint)
    return True


def _check_type(network: Node, report: Report) -> None:
    kind, segment = network.get("type"), network.get("segmentation_id")
    if kind and "segmentation_id" not in network.lost:
        if kind.value == "vlan" and segment is None:
            message = "type: a vlan network needs a segmentation_id"
            report.add(kind.mark, message, "add 'segmentation_id', the VLAN id")
        elif kind.value == "flat" and segment is not None:
            message = "type: a flat network has no segmentation_id"
            report.add(kind.mark, message, "remove one of the two")


def _check_addresses(network: Node, report: Report) -> None:
    # Neutron would store the network of such an address, and the next run would see a difference.
    for route in _items(network, "routes"):
        if destination := route.get("destination"):
            addresses.network(destination, report)
    cidr = network.get("cidr")
    if not cidr:
        return
    subnet = addresses.network(cidr, report)
    if str(subnet) != cidr.value:
        return
    if subnet.prefixlen == 0:
        report.add(cidr.mark, f"cidr: {subnet} is all addresses there are", "take some of them")
        return
    dhcp = network.get("dhcp")
    if (dhcp is None or dhcp.value) and "dhcp" not in network.lost:
        _check_dhcp(cidr, subnet, report)
    pools = list(_pools(network, subnet, report))
    _check_overlap(pools, report)
    if (gateway := network.get("gateway")) and _check_host(gateway, "gateway", subnet, report):
        for pool in pools:
            if pool.first <= IPv4Address(str(gateway.value)) <= pool.last:
                message = f"allocation_pools: the gateway {gateway.value} is in {pool}"
                hint = "let the pool begin after it or end before it"
                report.add(pool.node.mark, message, hint)


def _check_dhcp(cidr: Node, subnet: IPv4Network, report: Report) -> None:
    if subnet.prefixlen > _DHCP_PREFIX:
        message = f"cidr: {subnet} has no room for DHCP"
        hint = f"take a /{_DHCP_PREFIX} or a larger network, or write '\"dhcp\": false'"
        report.add(cidr.mark, message, hint)
    for name, special in (("multicast", subnet.is_multicast), ("loopback", subnet.is_loopback)):
        if special:
            message = f"cidr: {subnet} has {name} addresses"
            report.add(cidr.mark, message, "take private ones, such as 10.0.0.0/8")


def _check_host(node: Node, what: str, subnet: IPv4Network, report: Report) -> bool:
    address = IPv4Address(str(node.value))
    ends = (subnet.network_address, subnet.broadcast_address)
    small = subnet.prefixlen > _DHCP_PREFIX
    if address in subnet and (small or address not in ends):
        return True
    message = f"{what}: {address} is not an address of hosts in {subnet}"
    first, last = (subnet[0], subnet[-1]) if small else (subnet[1], subnet[-2])
    report.add(node.mark, message, f"take one from {first} to {last}")
    return False


@dataclass(frozen=True)
class _Pool:
    node: Node
    first: IPv4Address
    last: IPv4Address

    def __str__(self) -> str:
        return f"{self.first} to {self.last}"


def _pools(network: Node, subnet: IPv4Network, report: Report) -> Iterator[_Pool]:
    """Yield the pools that are in ``subnet`` and not empty; the others go to ``report``."""
    for node in _items(network, "allocation_pools"):
        ends = [node.fields[key] for key in ("start", "end") if key in node.fields]
        inside = [_check_host(end, "allocation_pools", subnet, report) for end in ends]
        if len(ends) < 2 or not all(inside):
            continue
        pool = _Pool(node, *(IPv4Address(str(end.value)) for end in ends))
        if pool.first > pool.last:
            message = f"allocation_pools: {pool.first} is after {pool.last}"
            report.add(node.mark, message, "write the first address as 'start'")
        else:
            yield pool


def _check_overlap(pools: list[_Pool], report: Report) -> None:
    ordered = sorted(pools, key=lambda one: one.first)
    for one, other in zip(ordered, ordered[1:], strict=False):
        if other.first <= one.last:
            message = f"allocation_pools: {other} overlaps {one}"
            report.add(other.node.mark, message, "write them as one pool, or apart")


def _check_segments(networks: list[Node], report: Report) -> None:
    seen: dict[tuple[str, object], Node] = {}
    for network in networks:
        kind, physical = network.get("type"), network.get("physical_network")
        segment = network.get("segmentation_id")
        if not kind or not physical or (kind.value == "vlan") != bool(segment):
            continue
        first = seen.setdefault((str(physical.value), segment and segment.value), network)
        # Two of one name are reported already.
        if first is not network and _name(first) != _name(network):
            what = f"VLAN {segment.value}" if segment else "the flat network"
            message = f"{what} of {physical.value} is also in line {first.mark.line}"
            hint = "take another id, or another physical network"
            report.add((segment or physical).mark, message, hint)


def _name(network: Node) -> str:
    name = network.get("name")
    return str(name.value).lower() if name else ""


def _items(network: Node, key: str) -> list[Node]:
    node = network.get(key)
    return node.items if node else []
