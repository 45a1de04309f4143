# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud fits the one that it joins (``join`` of a cloud file), which is not changed."""

from collections.abc import Iterator

from altostratus.yamlfile.problems import Problem
from generator.cloudfile import checks, services
from generator.cloudfile.context import Context
from generator.cloudfile.model import Cloud
from generator.contracts.model import CATALOGUE, Contract


def check(context: Context) -> Iterator[Problem]:
    """Yield what does not fit between the cloud of ``context`` and the one that it joins."""
    if joined := context.joined:
        yield from _identity(context, joined)
        yield from _networks(context, joined)
        yield from _addresses(context, joined)
        yield from _contributions(context, joined)


def _identity(context: Context, joined: Cloud) -> Iterator[Problem]:
    name = context.root.get("name")
    if name and name.value == joined.name:
        message = f"name: the cloud that this one joins is called {joined.name}"
        yield checks.JOIN_NAME.at(name.mark, message, "give this one another name")
    wanted = {joined.service_network, joined.public_network}
    for role in joined.roles.values():
        if loose := sorted((wanted & set(role.networks)) - role.addresses.keys()):
            message = f"join: '{role.name}' of {joined.name} has no fixed address on "
            hint = "only a cloud with fixed 'addresses' can be joined"
            mark = context.place("join")
            yield checks.JOIN_NOT_FIXED.at(mark, message + ", ".join(loose), hint)


def _networks(context: Context, joined: Cloud) -> Iterator[Problem]:
    for name in sorted(context.networks.keys() & joined.networks.keys()):
        mine, theirs = context.networks[name], joined.networks[name]
        if (mine.cidr, mine.vlan) != (theirs.cidr, theirs.vlan):
            mark = context.place("networks", name)
            message = f"network '{name}' is another one in {joined.name}: {theirs.cidr}"
            yield checks.JOIN_NETWORK.at(mark, message, "describe the same or rename it")


def _addresses(context: Context, joined: Cloud) -> Iterator[Problem]:
    taken = {
        (network, address): role.name
        for role in joined.roles.values()
        for network, fixed in role.addresses.items()
        for address in fixed
    }
    for role in context.roles.values():
        for network, fixed in role.addresses.items():
            for address in fixed:
                if (network, address) in taken:
                    owner = f"'{taken[network, address]}' of {joined.name}"
                    mark = context.place("roles", role.name, "addresses", network)
                    message = f"addresses: {address} is also that of {owner}"
                    hint = "take another: that cloud is not changed"
                    yield checks.JOIN_ADDRESS.at(mark, message, hint)


def _contributions(context: Context, joined: Cloud) -> Iterator[Problem]:
    contracts = context.contracts
    everything = {name for role in context.roles.values() for name in role.services}
    own = {key for one in services.closure(everything, contracts) for key in one.keys}
    theirs = {key for one in services.closure(joined.services, contracts) for key in one.keys}
    for role in context.roles.values():
        for name in role.services:
            for contract in services.closure([name], contracts):
                if lost := sorted((_contributes(contract) & theirs) - own):
                    mark = context.place("roles", role.name, "services")
                    keys = ", ".join(lost)
                    message = f"{name} contributes to {keys}, which belongs to {joined.name}"
                    hint = "a cloud cannot change the one that it joins: put the service there"
                    yield checks.JOIN_CONTRIBUTION.at(mark, message, hint)


def _contributes(contract: Contract) -> set[str]:
    return {*contract.contributes, *([CATALOGUE] if contract.endpoint else [])}
