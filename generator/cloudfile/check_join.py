# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud fits the one that it joins (``join`` of a cloud file)."""

from collections.abc import Mapping

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from generator.cloudfile import services
from generator.cloudfile.check_networks import place
from generator.cloudfile.model import Cloud, Network, Role
from generator.contracts.model import CATALOGUE, Contract, Contracts


def check(
    root: Node,
    networks: Mapping[str, Network],
    roles: Mapping[str, Role],
    joined: Cloud,
    contracts: Contracts,
    report: Report,
) -> None:
    """Add to ``report`` what does not fit between a cloud and ``joined``.

    ``root`` is the tree of the cloud file. Nothing of ``joined`` can be changed from here.
    """
    _check_fixed(root, joined, report)
    _check_networks(root, networks, joined, report)
    _check_addresses(root, roles, joined, report)
    _check_contributions(root, roles, joined, contracts, report)


def _check_fixed(root: Node, joined: Cloud, report: Report) -> None:
    if (name := root.get("name")) and name.value == joined.name:
        message = f"name: the cloud that this one joins is called {joined.name}"
        report.add(name.mark, message, "give this one another name")
    wanted = {joined.service_network, joined.public_network}
    for role in joined.roles.values():
        if loose := sorted((wanted & set(role.networks)) - role.addresses.keys()):
            message = f"join: '{role.name}' of {joined.name} has no fixed address on "
            hint = "only a cloud with fixed 'addresses' can be joined"
            report.add(place(root, "join"), message + ", ".join(loose), hint)


def _check_networks(
    root: Node, networks: Mapping[str, Network], joined: Cloud, report: Report
) -> None:
    for name in sorted(networks.keys() & joined.networks.keys()):
        mine, theirs = networks[name], joined.networks[name]
        if (mine.cidr, mine.vlan) != (theirs.cidr, theirs.vlan):
            message = f"network '{name}' is another one in {joined.name}: {theirs.cidr}"
            report.add(place(root, "networks", name), message, "describe the same or rename it")


def _check_addresses(root: Node, roles: Mapping[str, Role], joined: Cloud, report: Report) -> None:
    taken = {
        (network, address): role.name
        for role in joined.roles.values()
        for network, fixed in role.addresses.items()
        for address in fixed
    }
    for role in roles.values():
        for network, fixed in role.addresses.items():
            for address in fixed:
                if (network, address) in taken:
                    owner = f"'{taken[network, address]}' of {joined.name}"
                    mark = place(root, "roles", role.name, "addresses", network)
                    message = f"addresses: {address} is also that of {owner}"
                    report.add(mark, message, "take another: that cloud is not changed")


def _check_contributions(
    root: Node, roles: Mapping[str, Role], joined: Cloud, contracts: Contracts, report: Report
) -> None:
    everything = {name for role in roles.values() for name in role.services}
    own = {key for one in services.closure(everything, contracts) for key in one.keys}
    theirs = {key for one in services.closure(joined.services, contracts) for key in one.keys}
    for role in roles.values():
        for name in role.services:
            for contract in services.closure([name], contracts):
                if lost := sorted((_contributes(contract) & theirs) - own):
                    message = f"{name} adds to {', '.join(lost)}, which {joined.name} has"
                    hint = "a cloud cannot change the one that it joins: put the service there"
                    report.add(place(root, "roles", role.name, "services"), message, hint)


def _contributes(contract: Contract) -> set[str]:
    return {*contract.contributes, *([CATALOGUE] if contract.endpoint else [])}
