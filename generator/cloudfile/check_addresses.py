# SPDX-License-Identifier: Apache-2.0
"""Whether the fixed addresses of a cloud file are possible."""

from collections.abc import Iterator
from ipaddress import IPv4Address

from altostratus.yamlfile.problems import Problem
from generator.cloudfile import checks
from generator.cloudfile.check_networks import hosts_hint
from generator.cloudfile.context import Context, is_known
from generator.cloudfile.model import Role


def check(context: Context) -> Iterator[Problem]:
    """Yield what is impossible about the fixed addresses of ``context``."""
    for role in context.roles.values():
        for network, fixed in role.addresses.items():
            yield from _numbers(role, network, context)
            for address in fixed:
                yield from _address(address, role, network, context)
    yield from _owners(context)


def _numbers(role: Role, network: str, context: Context) -> Iterator[Problem]:
    node, fixed = context.role_nodes[role.name], role.addresses[network]
    given = node.fields["addresses"].fields[network]
    known = context.network_names if context.knows_networks(role) else []
    if network in known and network not in role.networks:
        message = f"addresses: '{role.name}' is not on {network}"
        yield checks.ADDRESS_OFF_NETWORK.at(given.mark, message, "add it to 'networks'")
    if len(fixed) != role.count and not given.lost and is_known(node, "count"):
        message = f"addresses: {len(fixed)} on {network} for {role.count} instances"
        hint = "give one for each instance, or none"
        yield checks.NUMBER_OF_ADDRESSES.at(given.mark, message, hint)
    if len(set(fixed)) < len(fixed):
        message = f"addresses: one of those on {network} is given twice"
        yield checks.ADDRESS_TWICE.at(given.mark, message, "give each instance another")


def _address(address: IPv4Address, role: Role, name: str, context: Context) -> Iterator[Problem]:
    network = context.networks.get(name)
    if network is None:
        return
    mark = context.place("roles", role.name, "addresses", name)
    if not network.has_host(address):
        message = f"addresses: {address} is not an address of hosts in {network.cidr} of {name}"
        yield checks.ADDRESS_OUTSIDE.at(mark, message, hosts_hint(network))
    elif (
        is_known(context.network_nodes[name], "pool")
        and network.pool[0] <= address <= network.pool[1]
    ):
        message = f"addresses: {address} is in the pool of {name}"
        hint = "Neutron gives the pool's addresses to others: take one outside it"
        yield checks.ADDRESS_IN_POOL.at(mark, message, hint)


def _owners(context: Context) -> Iterator[Problem]:
    owners: dict[tuple[str, IPv4Address], str] = {}
    for role in context.roles.values():
        for network, fixed in role.addresses.items():
            for address in fixed:
                other = owners.setdefault((network, address), role.name)
                if other != role.name:
                    mark = context.place("roles", role.name, "addresses", network)
                    message = f"addresses: {address} is also that of role '{other}'"
                    yield checks.ADDRESS_SHARED.at(mark, message, "give one of them another")
