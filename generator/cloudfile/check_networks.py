# SPDX-License-Identifier: Apache-2.0
"""Whether the networks of a cloud file are possible: addresses, pools, VLAN ids, overlaps."""

from collections.abc import Iterator
from ipaddress import IPv4Network
from itertools import combinations

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Problem, nearest
from generator.cloudfile import checks
from generator.cloudfile.context import Context, is_known, place
from generator.cloudfile.grammar import NETWORK
from generator.cloudfile.model import Network, Role

# RFC 6890: what no interface of a host on a network of its own can have.
_SPECIAL = {
    IPv4Network("0.0.0.0/8"): "no hosts'",
    IPv4Network("127.0.0.0/8"): "each machine's own",
    IPv4Network("169.254.0.0/16"): "link-local, the metadata service's among them",
    IPv4Network("224.0.0.0/4"): "multicast groups",
    IPv4Network("240.0.0.0/4"): "reserved",
}


def check(context: Context) -> Iterator[Problem]:
    """Yield what is impossible about the networks of ``context``."""
    for node in context.network_nodes.values():
        yield from _type(node)
    for name, network in context.networks.items():
        node = context.network_nodes[name]
        yield from _range(network, node)
        yield from _routers(network, node)
        yield from _pool(network, node)
    yield from _overlaps(context)
    yield from _segments(context)
    yield from _names(context)
    yield from _pool_sizes(context)


def segment(node: Node) -> tuple[str, int | None] | None:
    """Return the physical network and the VLAN id of a network; None if they are not known."""
    if not is_known(node, "type", "vlan", "physical_network"):
        return None
    kind, vlan, physical = (node.get(key) for key in ("type", "vlan", "physical_network"))
    if kind and (kind.value == "vlan") != (vlan is not None):
        return None
    default = NETWORK["properties"]["physical_network"]["default"]
    return str(physical.value if physical else default), int(str(vlan.value)) if vlan else None


def _type(node: Node) -> Iterator[Problem]:
    kind, vlan = node.get("type"), node.get("vlan")
    if kind is None or not is_known(node, "vlan"):
        return
    if kind.value == "vlan" and vlan is None:
        message = "type: a vlan network needs an id"
        yield checks.VLAN_WITHOUT_ID.at(kind.mark, message, "add 'vlan: ID'")
    elif kind.value == "flat" and vlan is not None:
        message = "type: a flat network has no vlan"
        yield checks.FLAT_WITH_VLAN.at(kind.mark, message, "remove one of the two")


def _range(network: Network, node: Node) -> Iterator[Problem]:
    for special, use in _SPECIAL.items():
        if network.cidr.overlaps(special):
            message = f"cidr: {network.cidr} has addresses of {special}, which are {use}"
            hint = "take private addresses: 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16"
            yield checks.SPECIAL_RANGE.at(place(node, "cidr"), message, hint)
            return


def _routers(network: Network, node: Node) -> Iterator[Problem]:
    where = [(place(node, "gateway"), "gateway", network.gateway)]
    routes = node.get("routes")
    where += [
        (place(item, "nexthop"), "nexthop", route.nexthop)
        for item, route in zip(routes.items if routes else [], network.routes, strict=True)
    ]
    for mark, what, address in where:
        if address is not None and not network.has_host(address):
            message = f"{what}: {address} is not an address of hosts in {network.cidr}"
            yield checks.ROUTER_OUTSIDE.at(mark, message, hosts_hint(network))


def hosts_hint(network: Network) -> str:
    """Return the hint that says which addresses hosts in ``network`` can have."""
    first, last = network.hosts
    return f"its hosts are {first} to {last}"


def _pool(network: Network, node: Node) -> Iterator[Problem]:
    mark = place(node, "pool")
    for address in network.pool:
        if not network.has_host(address):
            message = f"pool: {address} is not an address of hosts in {network.cidr}"
            yield checks.POOL_OUTSIDE.at(mark, message, hosts_hint(network))
    if not network.pool_fits or not is_known(node, "pool"):
        return
    first, last = network.pool
    if first > last:
        message = f"pool: {first} is after {last}"
        yield checks.POOL_REVERSED.at(mark, message, "write the first address first")
    elif network.gateway and first <= network.gateway <= last:
        message = f"pool: the gateway {network.gateway} is in it"
        hint = "let the pool begin after it or end before it"
        yield checks.GATEWAY_IN_POOL.at(mark, message, hint)


def _overlaps(context: Context) -> Iterator[Problem]:
    for one, other in combinations(context.networks.values(), 2):
        if one.cidr.overlaps(other.cidr):
            mark = context.place("networks", other.name, "cidr")
            message = f"cidr: {other.cidr} overlaps {one.cidr} of network '{one.name}'"
            yield checks.OVERLAP.at(mark, message, "give each network addresses of its own")


def _segments(context: Context) -> Iterator[Problem]:
    owners: dict[tuple[str, int | None], str] = {}
    for name, node in context.network_nodes.items():
        mine = segment(node)
        if mine is None or (owner := owners.setdefault(mine, name)) == name:
            continue
        physical, vlan = mine
        if vlan is None:
            mark = place(node, "physical_network")
            message = f"physical network '{physical}' has the flat network '{owner}'"
            yield checks.SECOND_FLAT.at(mark, message, "give one of them a vlan")
        else:
            message = f"vlan: {vlan} is already that of network '{owner}'"
            hint = "take another id, or another 'physical_network'"
            yield checks.VLAN_IN_USE.at(place(node, "vlan"), message, hint)


def _names(context: Context) -> Iterator[Problem]:
    root, known = context.root, context.network_names
    if not known:
        return  # reported already
    places = [
        (name, f"{key} of {role}")
        for role, node in context.role_nodes.items()
        for key in ("networks", "addresses")
        for name in _items_or_keys(node.get(key))
    ]
    for key in ("service_network", "public_network"):
        if node := root.get(key):
            places.append((node, key))
        elif is_known(root, key) and "ctlplane" not in known:
            message = f"no network 'ctlplane', the default {key}"
            hint = f"add '{key}:' and the name of one: {', '.join(known)}"
            yield checks.NO_DEFAULT_NETWORK.at(root.mark, message, hint)
    for node, what in places:
        if node.value not in known:
            message = f"{what}: unknown network '{node.value}'"
            hint = nearest(str(node.value), known)
            yield checks.UNKNOWN_NETWORK.at(node.mark, message, hint)


def _items_or_keys(node: Node | None) -> list[Node]:
    if node is None:
        return []
    return node.items or [Node(node.keys[key], key) for key in node.fields]


def _pool_sizes(context: Context) -> Iterator[Problem]:
    for name, network in context.networks.items():
        users = [
            role
            for role in context.roles.values()
            if name in role.networks and not _has_fixed(role, name, context)
        ]
        instances = sum(role.count for role in users)
        # Neutron's DHCP port takes an address of the pool, too.
        wanted = instances + (1 if network.dhcp else 0)
        if users and network.pool_fits and 0 < network.pool_size < wanted:
            extra = " and one for DHCP" if network.dhcp else ""
            node = context.network_nodes[name]
            message = (
                f"network '{name}' is too small: {instances} instances{extra} need {wanted} "
                f"addresses, its pool has {network.pool_size}"
            )
            hint = "make the pool larger or the roles' counts smaller"
            mark = place(node, "pool" if node.get("pool") else "cidr")
            yield checks.SMALL_POOL.at(mark, message, hint)


def _has_fixed(role: Role, network: str, context: Context) -> bool:
    node = context.role_nodes[role.name]
    given = node.get("addresses")
    return not is_known(node, "addresses") or bool(
        given and network in given.fields.keys() | given.lost
    )
