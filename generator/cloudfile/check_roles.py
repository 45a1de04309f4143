# SPDX-License-Identifier: Apache-2.0
"""Whether the roles of a cloud file work together: needs, limits, networks, addresses, names."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark, Report, alike
from generator.cloudfile import services
from generator.cloudfile.check_networks import hosts, is_host, is_inside, names, place, wire
from generator.cloudfile.model import Cloud, Network, Role, carrier
from generator.cloudfile.naming import resource_names
from generator.contracts.model import Contracts


def check(
    root: Node,
    networks: Mapping[str, Network],
    roles: Mapping[str, Role],
    contracts: Contracts,
    report: Report,
    joined: Cloud | None,
) -> None:
    """Add to ``report`` what does not fit between ``roles``, ``networks`` and ``contracts``.

    ``root`` is the tree of the cloud file, ``joined`` the cloud whose services are there besides.
    """
    listed = root.get("hypervisors")
    if listed:
        _check_listed(listed, report)
    for role in roles.values():
        node = root.fields["roles"].fields[role.name]
        if listed:
            _check_hypervisor(role, node, listed, report)
        _check_networks(role, node, root, contracts, report)
        _check_cables(role, node, root, networks, report)
        _check_keys(role, node, root, contracts, report)
        _check_addresses(role, node, root, networks, report)
    _check_sizes(networks, roles, root, report)
    _check_names(roles, root, report)
    _check_shared_config(root, roles, contracts, report)
    _check_services(roles, joined, root, contracts, report)


def _check_listed(listed: Node, report: Report) -> None:
    seen: set[object] = set()
    for item in listed.items:
        if item.value in seen:
            message = f"hypervisors: {item.value} is listed twice"
            report.add(item.mark, message, "keep one of them")
        seen.add(item.value)


def _check_hypervisor(role: Role, node: Node, listed: Node, report: Report) -> None:
    given = node.get("hypervisor")
    types = [str(item.value) for item in listed.items]
    meant = [one for word in listed.lost for one in alike(word, HYPERVISORS)]
    if given and role.hypervisor not in types + meant:
        hint = f"add it to 'hypervisors', now {', '.join(types) or 'none'}"
        report.add(given.mark, f"hypervisor: {role.hypervisor} is not listed", hint)


def _are_known(role: Role, node: Node, root: Node) -> bool:
    """Return whether the networks of ``role`` are those that the user meant."""
    given = node.get("networks")
    wrong = "networks" in node.lost or (given and given.lost)
    return not wrong and set(role.networks) <= set(names(root))


def _check_networks(
    role: Role, node: Node, root: Node, contracts: Contracts, report: Report
) -> None:
    mark = place(node, "networks")
    if len(set(role.networks)) < len(role.networks):
        report.add(mark, "networks: one is listed twice", "keep one of them")
    for key in ("service_network", "public_network"):
        network = root.get(key)
        name = network.value if network else "ctlplane"
        if name in role.networks or name not in names(root) or key in root.lost:
            continue
        has_endpoint = any(contracts.by_name[one].endpoint for one in role.services)
        if _are_known(role, node, root) and (key == "service_network" or has_endpoint):
            message = f"networks: '{role.name}' is not on {name}, the {key}"
            report.add(mark, message, f"add {name} to them")


def _check_cables(
    role: Role, node: Node, root: Node, networks: Mapping[str, Network], report: Report
) -> None:
    """Report VLANs that a bare-metal node cannot reach: their wire ends elsewhere."""
    mine = [networks[name] for name in role.networks if name in networks]
    trees = [root.fields["networks"].fields[network.name] for network in mine]
    unknown = len(mine) < len(role.networks) or None in map(wire, trees)
    cabled = HYPERVISORS[role.hypervisor].bare_metal
    if not cabled or unknown or {"hypervisor", "networks"} & node.lost:
        return
    for network in mine:
        if network.vlan is not None and carrier(network, mine) is None:
            physical = network.physical_network
            message = f"networks: bare metal reaches the VLAN {network.name} only through a cable"
            hint = f"add the flat network of the physical network {physical} to '{role.name}'"
            report.add(place(node, "networks"), message, hint)


def _check_keys(role: Role, node: Node, root: Node, contracts: Contracts, report: Report) -> None:
    listed = node.get("services")
    removes = any(str(item.value).startswith("-") for item in (listed or root).items)
    if listed and removes and not role.services and not services.possible(listed, contracts):
        message = f"services: nothing is left for '{role.name}'"
        report.add(listed.mark, message, "name a service, or remove the role")
    if "config" in node.lost | root.lost:
        return
    given = [*services.words(node.get("config")), *services.words(root.get("config"))]
    for contract in services.closure(role.services, contracts):
        for key in contract.keys.values():
            if key.required and key.name not in role.config and not alike(key.name, given):
                hint = f"{key.description}; add it to 'config' of the role"
                message = f"'{key.name}' of {contract.name} must be given"
                report.add(place(node, "config"), message, hint)


def _check_addresses(
    role: Role, node: Node, root: Node, networks: Mapping[str, Network], report: Report
) -> None:
    known = names(root) if _are_known(role, node, root) else []
    for name, fixed in role.addresses.items():
        tree, network = node.fields["addresses"].fields[name], networks.get(name)
        if name in known and name not in role.networks:
            message = f"addresses: '{role.name}' is not on {name}"
            report.add(tree.mark, message, "add it to 'networks'")
        if len(fixed) != role.count and not tree.lost and "count" not in node.lost:
            message = f"addresses: {len(fixed)} on {name} for {role.count} instances"
            report.add(tree.mark, message, "give one for each instance, or none")
        if len(set(fixed)) < len(fixed):
            message = f"addresses: one of those on {name} is given twice"
            report.add(tree.mark, message, "give each instance another")
        if network:
            pooled = "pool" not in root.fields["networks"].fields[name].lost
            _check_fixed(network, fixed, pooled, tree.mark, report)


def _check_fixed(
    network: Network, fixed: tuple[IPv4Address, ...], pooled: bool, mark: Mark, report: Report
) -> None:
    for address in fixed:
        if not is_host(address, network):
            message = f"addresses: {address} is not an address of hosts in {network.cidr}"
            report.add(mark, f"{message} of {network.name}", hosts(network))
        elif pooled and network.pool[0] <= address <= network.pool[1]:
            hint = "Neutron gives the pool's addresses to others: take one outside it"
            report.add(mark, f"addresses: {address} is in the pool of {network.name}", hint)


def _has_fixed(role: Role, node: Node, network: str) -> bool:
    given = node.get("addresses")
    return "addresses" in node.lost or bool(given and network in given.fields.keys() | given.lost)


def _check_sizes(
    networks: Mapping[str, Network], roles: Mapping[str, Role], root: Node, report: Report
) -> None:
    taken: dict[tuple[str, object], str] = {}
    for role in roles.values():
        for name, fixed in role.addresses.items():
            for address in fixed:
                other = taken.setdefault((name, address), role.name)
                if other != role.name:
                    mark = place(root, "roles", role.name, "addresses", name)
                    message = f"addresses: {address} is also that of role '{other}'"
                    report.add(mark, message, "give one of them another")
    trees = root.fields["roles"].fields if roles else {}
    for name, network in networks.items():
        users = [
            one
            for one in roles.values()
            if name in one.networks and not _has_fixed(one, trees[one.name], name)
        ]
        instances = sum(role.count for role in users)
        # Neutron's DHCP port takes an address of the pool, too.
        wanted = instances + (1 if network.dhcp else 0)
        if users and is_inside(network) and 0 < network.pool_size < wanted:
            extra = " and one for DHCP" if network.dhcp else ""
            mark = place(root, "networks", name, "pool" if _has_pool(root, name) else "cidr")
            report.add(
                mark,
                f"network '{name}' is too small: {instances} instances{extra} need {wanted} "
                f"addresses, its pool has {network.pool_size}",
                "make the pool larger or the roles' counts smaller",
            )


def _has_pool(root: Node, name: str) -> bool:
    return root.fields["networks"].fields[name].get("pool") is not None


def _check_names(roles: Mapping[str, Role], root: Node, report: Report) -> None:
    owners: dict[str, str] = {}
    for role in roles.values():
        _check_instances(role, roles, root, report)
        for resource in resource_names(role):
            other = owners.setdefault(resource, role.name)
            if other != role.name:
                mark = root.fields["roles"].keys[role.name]
                message = f"roles '{other}' and '{role.name}' both make a resource {resource}"
                report.add(mark, message, "rename one of them")
                break


def _check_instances(role: Role, roles: Mapping[str, Role], root: Node, report: Report) -> None:
    # Instance i of R is R-i: only a role that is called so itself can be in its way.
    base, _, number = role.name.rpartition("-")
    other = roles.get(base)
    trees = root.fields["roles"]
    if other is None or not {"count", "addresses", "networks"}.isdisjoint(
        trees.fields[base].lost | trees.fields[role.name].lost
    ):
        return
    index = int(number) if number.isdecimal() else other.count
    if index < other.count and other.instance(index) == role.instance(0):
        message = f"role '{role.name}' has an instance of the name of one of '{base}'"
        report.add(trees.keys[role.name], message, "rename one of them")


def _check_shared_config(
    root: Node, roles: Mapping[str, Role], contracts: Contracts, report: Report
) -> None:
    config, trees = root.get("config"), root.get("roles")
    if config and config.fields and trees and not trees.lost:
        everything = {
            key
            for role in roles.values()
            for key in services.allowed_keys(trees.fields[role.name], role.services, contracts)
        }
        services.overrides(config, everything, contracts, report)


def _check_services(
    roles: Mapping[str, Role],
    joined: Cloud | None,
    root: Node,
    contracts: Contracts,
    report: Report,
) -> None:
    counts: dict[str, int] = {}
    for role in (*roles.values(), *(joined.roles.values() if joined else ())):
        for service in role.services:
            counts[service] = counts.get(service, 0) + role.count
    possible = _possible(joined, root, contracts)
    for role in roles.values():
        items = root.fields["roles"].fields[role.name].get("services") or root
        marks = {item.value: item.mark for item in items.items}
        for service in role.services:
            mark = marks.get(service, items.mark)
            for need in _needs(service, contracts):
                if need not in counts and need not in possible:
                    hint = f"add {need} to the services of a role"
                    report.add(mark, f"{service} needs {need}, which no role has", hint)
            most = contracts.by_name[service].max
            if most is not None and counts[service] > most:
                message = f"{service}: {counts[service]} instances where at most {most} can be"
                report.add(mark, message, "make 'count' smaller or take it out of other roles")


def _possible(joined: Cloud | None, root: Node, contracts: Contracts) -> frozenset[str]:
    """Return the services that roles may have besides: mistakes have hidden them."""
    trees, join = root.get("roles"), root.get("join")
    hidden = trees is None or trees.lost or "join" in root.lost or (join and not joined)
    listed = [role.get("services") for role in trees.fields.values()] if trees else []
    if hidden or None in listed:
        return frozenset(contracts.services)
    return frozenset(name for one in listed if one for name in services.possible(one, contracts))


def _needs(service: str, contracts: Contracts) -> list[str]:
    return sorted({need for one in services.closure([service], contracts) for need in one.needs})
