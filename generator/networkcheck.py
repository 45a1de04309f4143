# SPDX-License-Identifier: Apache-2.0
"""Whether the networks of a cloud file are possible: addresses, pools, VLAN ids, overlaps."""

from collections.abc import Mapping
from ipaddress import IPv4Address
from itertools import combinations

from generator.cloud import Network
from generator.document import Node
from generator.problems import Mark, Report


def place(node: Node, *keys: str) -> Mark:
    """Return the place of the value at ``keys`` below ``node``, or of the nearest one above it."""
    for key in keys:
        below = node.get(key)
        if below is None:
            break
        node = below
    return node.mark


def check(networks: Mapping[str, Network], nodes: Mapping[str, Node], report: Report) -> None:
    """Add to ``report`` what is impossible about ``networks``; ``nodes`` are their trees."""
    for name, network in networks.items():
        _check_type(network, nodes[name], report)
        _check_addresses(network, nodes[name], report)
        _check_pool(network, nodes[name], report)
    for one, other in combinations(networks.values(), 2):
        _check_pair(one, other, nodes, report)


def _check_type(network: Network, node: Node, report: Report) -> None:
    kind = node.get("type")
    if kind and kind.value != network.type:
        if network.vlan is None:
            report.add(kind.mark, "type: a vlan network needs an id", "add 'vlan: ID'")
        else:
            report.add(kind.mark, "type: a flat network has no vlan", "remove one of the two")


def _check_addresses(network: Network, node: Node, report: Report) -> None:
    where = [(place(node, "gateway"), "gateway", network.gateway)]
    routes = node.get("routes")
    where += [
        (place(item, "nexthop"), "nexthop", route.nexthop)
        for item, route in zip(routes.items if routes else [], network.routes, strict=True)
    ]
    for mark, what, address in where:
        if address is not None and not _is_host(address, network):
            report.add(mark, f"{what}: {address} is not an address of hosts in {network.cidr}")


def _is_host(address: IPv4Address, network: Network) -> bool:
    ends = () if network.cidr.prefixlen > 30 else (network.cidr[0], network.cidr[-1])
    return address in network.cidr and address not in ends


def _check_pool(network: Network, node: Node, report: Report) -> None:
    first, last = network.pool
    mark = place(node, "pool")
    outside = [address for address in network.pool if not _is_host(address, network)]
    for address in outside:
        report.add(mark, f"pool: {address} is not an address of hosts in {network.cidr}")
    if outside:
        return
    if first > last:
        report.add(mark, f"pool: {first} is after {last}", "write the first address first")
    elif network.gateway and first <= network.gateway <= last:
        hint = "let the pool begin after it or end before it"
        report.add(mark, f"pool: the gateway {network.gateway} is in it", hint)


def _check_pair(one: Network, other: Network, nodes: Mapping[str, Node], report: Report) -> None:
    if one.cidr.overlaps(other.cidr):
        mark = place(nodes[other.name], "cidr")
        report.add(mark, f"cidr: {other.cidr} overlaps {one.cidr} of network '{one.name}'")
    if one.physical_network == other.physical_network and one.vlan == other.vlan:
        if one.vlan is None:
            mark = place(nodes[other.name], "physical_network")
            message = f"physical network '{one.physical_network}' has the flat network '{one.name}'"
            report.add(mark, message, "give one of them a vlan")
        else:
            mark = place(nodes[other.name], "vlan")
            report.add(mark, f"vlan: {one.vlan} is already that of network '{one.name}'")
