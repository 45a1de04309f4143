# SPDX-License-Identifier: Apache-2.0
"""Whether the roles of a cloud file work together: needs, limits, networks, addresses, names."""

from collections.abc import Mapping
from ipaddress import IPv4Address

from generator import ports, services
from generator.cloud import Cloud, Network, Role, carrier
from generator.contract import Contracts
from generator.document import Node
from generator.networkcheck import place
from generator.problems import Mark, Report


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
    for role in roles.values():
        node = root.fields["roles"].fields[role.name]
        _check_hypervisor(role, node, root, report)
        _check_networks(role, node, root, contracts, report)
        _check_cables(role, node, networks, report)
        _check_keys(role, node, contracts, report)
        _check_addresses(role, node, networks, report)
    _check_sizes(networks, roles, root, report)
    _check_names(roles, root, report)
    _check_shared_config(root, roles, contracts, report)
    if _is_whole(root, roles, contracts) and (joined or root.get("join") is None):
        _check_services(roles, joined, root, contracts, report)


def _is_whole(root: Node, roles: Mapping[str, Role], contracts: Contracts) -> bool:
    """Return whether no role or service is missing from the model because it is misspelt.

    Otherwise needs would seem unmet that the user has thought of.
    """
    known = {*contracts.services, *contracts.groups}
    whole = root.get("roles")
    return (
        whole is not None
        and len(roles) == len(whole.fields)
        and all(
            str(item.value).removeprefix("-") in known
            for role in whole.fields.values()
            for item in role.fields["services"].items
        )
    )


def _check_hypervisor(role: Role, node: Node, root: Node, report: Report) -> None:
    listed = [item.value for item in (root.get("hypervisors") or root).items]
    mark = place(node, "hypervisor")
    if listed and role.hypervisor not in listed:
        hint = f"add it to 'hypervisors', now {', '.join(map(str, listed))}"
        report.add(mark, f"hypervisor: {role.hypervisor} is not listed", hint)


def _check_networks(
    role: Role, node: Node, root: Node, contracts: Contracts, report: Report
) -> None:
    mark = place(node, "networks")
    for key in ("service_network", "public_network"):
        network = root.get(key)
        name = network.value if network else "ctlplane"
        has_endpoint = any(contracts.by_name[one].endpoint for one in role.services)
        if name not in role.networks and (key == "service_network" or has_endpoint):
            report.add(mark, f"networks: '{role.name}' is not on {name}, the {key}", "add it")
    if len(set(role.networks)) < len(role.networks):
        report.add(mark, "networks: one is listed twice", "keep one of them")


def _check_cables(role: Role, node: Node, networks: Mapping[str, Network], report: Report) -> None:
    """Report VLANs that a bare-metal node cannot reach: their wire ends elsewhere."""
    mine = [networks[name] for name in role.networks if name in networks]
    for network in mine if role.hypervisor == "ironic" else []:
        if network.vlan is not None and carrier(network, mine) is None:
            wire = network.physical_network
            message = f"networks: bare metal reaches the VLAN {network.name} only through a cable"
            hint = f"add the flat network of the physical network {wire} to '{role.name}'"
            report.add(place(node, "networks"), message, hint)


def _check_keys(role: Role, node: Node, contracts: Contracts, report: Report) -> None:
    removes = any(str(item.value).startswith("-") for item in node.fields["services"].items)
    if not role.services and removes:
        report.add(place(node, "services"), f"services: nothing is left for '{role.name}'")
    for contract in services.closure(role.services, contracts):
        for key in contract.keys.values():
            if key.required and key.name not in role.config:
                hint = f"{key.description}; add it to 'config' of the role"
                message = f"'{key.name}' of {contract.name} must be given"
                report.add(place(node, "config"), message, hint)


def _check_addresses(
    role: Role, node: Node, networks: Mapping[str, Network], report: Report
) -> None:
    for name, fixed in role.addresses.items():
        mark, network = place(node, "addresses", name), networks.get(name)
        if name not in role.networks:
            report.add(mark, f"addresses: '{role.name}' is not on {name}", "add it to 'networks'")
        if len(fixed) != role.count:
            message = f"addresses: {len(fixed)} on {name} for {role.count} instances"
            report.add(mark, message, "give one for each instance, or none")
        if len(set(fixed)) < len(fixed):
            report.add(mark, f"addresses: one of those on {name} is given twice")
        if network:
            _check_fixed(network, fixed, mark, report)


def _check_fixed(
    network: Network, fixed: tuple[IPv4Address, ...], mark: Mark, report: Report
) -> None:
    for address in fixed:
        if address not in network.cidr:
            report.add(mark, f"addresses: {address} is not in {network.cidr} of {network.name}")
        elif network.pool[0] <= address <= network.pool[1]:
            hint = "Neutron gives the pool's addresses to others: take one outside it"
            report.add(mark, f"addresses: {address} is in the pool of {network.name}", hint)


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
                    report.add(mark, f"addresses: {address} is also that of role '{other}'")
    for name, network in networks.items():
        users = [
            one for one in roles.values() if name in one.networks and name not in one.addresses
        ]
        instances = sum(role.count for role in users)
        # Neutron's DHCP port takes an address of the pool, too.
        wanted = instances + (1 if network.dhcp else 0)
        if users and 0 <= network.pool_size < wanted:
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
        for resource in ports.resource_names(role):
            other = owners.setdefault(resource, role.name)
            if other != role.name:
                mark = root.fields["roles"].keys[role.name]
                message = f"roles '{other}' and '{role.name}' both make a resource {resource}"
                report.add(mark, message, "rename one of them")
                break


def _check_shared_config(
    root: Node, roles: Mapping[str, Role], contracts: Contracts, report: Report
) -> None:
    config = root.get("config")
    if config and config.fields:
        everything = {
            key
            for role in roles.values()
            for key in services.metadata_keys(role.services, contracts)
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
    for role in roles.values():
        items = root.fields["roles"].fields[role.name].fields["services"]
        marks = {item.value: item.mark for item in items.items}
        for service in role.services:
            mark = marks.get(service, items.mark)
            for need in _needs(service, contracts):
                if need not in counts:
                    hint = f"add {need} to the services of a role"
                    report.add(mark, f"{service} needs {need}, which no role has", hint)
            most = contracts.by_name[service].max
            if most is not None and counts[service] > most:
                message = f"{service}: {counts[service]} instances where at most {most} can be"
                report.add(mark, message, "make 'count' smaller or take it out of other roles")


def _needs(service: str, contracts: Contracts) -> list[str]:
    return sorted({need for one in services.closure([service], contracts) for need in one.needs})
