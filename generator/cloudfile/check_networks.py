# SPDX-License-Identifier: Apache-2.0
"""Whether the networks of a cloud file are possible: addresses, pools, VLAN ids, overlaps."""

from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from itertools import combinations

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark, Report
from generator.cloudfile.grammar import NETWORK
from generator.cloudfile.model import Network

# RFC 6890: what no interface of a host on a network of its own can have.
_SPECIAL = {
    IPv4Network("0.0.0.0/8"): "no hosts'",
    IPv4Network("127.0.0.0/8"): "each machine's own",
    IPv4Network("169.254.0.0/16"): "link-local, the metadata service's among them",
    IPv4Network("224.0.0.0/4"): "multicast groups",
    IPv4Network("240.0.0.0/4"): "reserved",
}


def place(node: Node, *keys: str) -> Mark:
    """Return the place of the value at ``keys`` below ``node``, or of the nearest one above it."""
    for key in keys:
        below = node.get(key)
        if below is None:
            break
        node = below
    return node.mark


def names(root: Node) -> list[str]:
    """Return the networks of the cloud file ``root`` in its order, those with mistakes last."""
    node = root.get("networks")
    return [*node.fields, *sorted(node.lost - node.fields.keys())] if node else []


def check(networks: Mapping[str, Network], nodes: Mapping[str, Node], report: Report) -> None:
    """Add to ``report`` what is impossible about ``networks``; ``nodes`` are their trees.

    A network whose cidr is not known has only a tree.
    """
    for node in nodes.values():
        _check_type(node, report)
    for name, network in networks.items():
        _check_range(network, nodes[name], report)
        _check_addresses(network, nodes[name], report)
        _check_pool(network, nodes[name], report)
    for one, other in combinations(networks.values(), 2):
        if one.cidr.overlaps(other.cidr):
            mark = place(nodes[other.name], "cidr")
            message = f"cidr: {other.cidr} overlaps {one.cidr} of network '{one.name}'"
            report.add(mark, message, "give each network addresses of its own")
    _check_wires(nodes, report)


def is_inside(network: Network) -> bool:
    """Return whether the pool of ``network`` has only addresses of its hosts."""
    return all(is_host(address, network) for address in network.pool)


def wire(node: Node) -> tuple[str, int | None] | None:
    """Return the physical network and the VLAN id of a network; None if they are not known."""
    kind, vlan, wire = (node.get(key) for key in ("type", "vlan", "physical_network"))
    if node.lost & {"type", "vlan", "physical_network"}:
        return None
    if kind and (kind.value == "vlan") != (vlan is not None):
        return None
    default = NETWORK["properties"]["physical_network"]["default"]
    return str(wire.value if wire else default), int(str(vlan.value)) if vlan else None


def _check_type(node: Node, report: Report) -> None:
    kind, vlan = node.get("type"), node.get("vlan")
    if kind is None or "vlan" in node.lost:
        return
    if kind.value == "vlan" and vlan is None:
        report.add(kind.mark, "type: a vlan network needs an id", "add 'vlan: ID'")
    elif kind.value == "flat" and vlan is not None:
        report.add(kind.mark, "type: a flat network has no vlan", "remove one of the two")


def _check_range(network: Network, node: Node, report: Report) -> None:
    for special, use in _SPECIAL.items():
        if network.cidr.overlaps(special):
            message = f"cidr: {network.cidr} has addresses of {special}, which are {use}"
            hint = "take private addresses: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"
            report.add(place(node, "cidr"), message, hint)
            return


def _check_addresses(network: Network, node: Node, report: Report) -> None:
    where = [(place(node, "gateway"), "gateway", network.gateway)]
    routes = node.get("routes")
    where += [
        (place(item, "nexthop"), "nexthop", route.nexthop)
        for item, route in zip(routes.items if routes else [], network.routes, strict=True)
    ]
    for mark, what, address in where:
        if address is not None and not is_host(address, network):
            message = f"{what}: {address} is not an address of hosts in {network.cidr}"
            report.add(mark, message, hosts(network))


def hosts(network: Network) -> str:
    """Return the hint that says which addresses hosts in ``network`` can have."""
    cidr = network.cidr
    first, last = (0, -1) if cidr.prefixlen > 30 else (1, -2)
    return f"its hosts are {cidr[first]} to {cidr[last]}"


def is_host(address: IPv4Address, network: Network) -> bool:
    """Return whether a host in ``network`` can have ``address``."""
    ends = () if network.cidr.prefixlen > 30 else (network.cidr[0], network.cidr[-1])
    return address in network.cidr and address not in ends


def _check_pool(network: Network, node: Node, report: Report) -> None:
    first, last = network.pool
    mark = place(node, "pool")
    for address in network.pool:
        if not is_host(address, network):
            message = f"pool: {address} is not an address of hosts in {network.cidr}"
            report.add(mark, message, hosts(network))
    if not is_inside(network) or "pool" in node.lost:
        return
    if first > last:
        report.add(mark, f"pool: {first} is after {last}", "write the first address first")
    elif network.gateway and first <= network.gateway <= last:
        hint = "let the pool begin after it or end before it"
        report.add(mark, f"pool: the gateway {network.gateway} is in it", hint)


def _check_wires(nodes: Mapping[str, Node], report: Report) -> None:
    owners: dict[tuple[str, int | None], str] = {}
    for name, node in nodes.items():
        mine = wire(node)
        if mine is None or (owner := owners.setdefault(mine, name)) == name:
            continue
        physical, vlan = mine
        if vlan is None:
            message = f"physical network '{physical}' has the flat network '{owner}'"
            report.add(place(node, "physical_network"), message, "give one of them a vlan")
        else:
            message = f"vlan: {vlan} is already that of network '{owner}'"
            hint = "take another id, or another 'physical_network'"
            report.add(place(node, "vlan"), message, hint)
