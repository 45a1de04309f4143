# SPDX-License-Identifier: Apache-2.0
"""From a cloud and the contracts of its services to the metadata of every role, still symbolic.

An instance gets the keys of the contracts in its role's elements and the keys that they read, and
nothing else: no secret reaches an instance that has no use for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from generator import references, services
from generator.cloud import Cloud, Role
from generator.contract import Contract, Contracts
from generator.references import ADDRESSES, Reference, Text, Value
from imagebuild.errors import InputError

REGION = "RegionOne"

CATALOGUE = "keystone.services"
"""The list key that every contract's ``endpoint`` contributes an item to."""


@dataclass(frozen=True)
class Plan:
    """A cloud with all that follows from it.

    ``metadata`` maps role → key → symbolic value; ``secrets`` are the needed secrets and their
    kinds, ``runners`` the roles that have a service, in the order of the file.
    """

    cloud: Cloud
    metadata: Mapping[str, Mapping[str, Value]]
    secrets: Mapping[str, str]
    runners: Mapping[str, tuple[Role, ...]]

    def network_of(self, reference: Reference) -> str:
        """Return the network that a reference to an address means."""
        public = reference.kind == "public"
        return self.cloud.public_network if public else self.cloud.service_network


def resolve(cloud: Cloud, contracts: Contracts) -> Plan:
    """Return the plan of ``cloud``.

    Raises InputError if a value refers to a service that no role has and no contract asks for, or
    to a network that the role is not on.
    """
    everything = {name for role in cloud.roles.values() for name in role.services}
    present = services.closure(everything, contracts)
    values = _values(present, contracts)
    metadata = {role.name: _role_metadata(role, values, contracts) for role in cloud.roles.values()}
    runners = {
        service: tuple(role for role in cloud.roles.values() if service in role.services)
        for service in sorted(everything)
    }
    for role in cloud.roles.values():
        for key, value in metadata[role.name].items():
            for reference in references.references(value):
                _check_reference(reference, key, role, runners)
    needed = {
        reference.name
        for keys in metadata.values()
        for value in keys.values()
        for reference in references.references(value)
        if reference.kind == "secret"
    }
    secrets = {name: contracts.secrets[name] for name in sorted(needed)}
    return Plan(cloud, metadata, secrets, runners)


def _check_reference(
    reference: Reference, key: str, role: Role, runners: Mapping[str, tuple[Role, ...]]
) -> None:
    if reference.kind in ADDRESSES and reference.name not in runners:
        message = f"role '{role.name}': {key} is the address of {reference.name}, which no role has"
        raise InputError(message, f"add {reference.name} to the services of a role")
    network = reference.name.removesuffix(".address")
    if reference.kind == "self" and network != reference.name and network not in role.networks:
        message = f"role '{role.name}': {key} is its address on {network}, which it is not on"
        raise InputError(message, f"add {network} to the networks of the role")


def _values(present: Sequence[Contract], contracts: Contracts) -> dict[str, Value]:
    """Return the value of every key of the contracts ``present``, with all contributions."""
    values = {
        key.name: key.value for one in present for key in one.keys.values() if not key.required
    }
    for contract in present:
        for name, items in _contributions(contract, contracts).items():
            base = values.get(name)
            if name in values:
                values[name] = [*(base if isinstance(base, list | tuple) else ()), *items]
    return values


def _contributions(contract: Contract, contracts: Contracts) -> dict[str, tuple[Value, ...]]:
    found = dict(contract.contributes)
    if contract.endpoint and CATALOGUE in contracts.keys:
        found[CATALOGUE] = (_catalogue_item(contract), *found.get(CATALOGUE, ()))
    return found


def url(contract: Contract, kind: str) -> Text:
    """Return the URL of the contract's endpoint; ``kind`` is ``public`` or ``address``."""
    port, path = (contract.endpoint.port, contract.endpoint.path) if contract.endpoint else (80, "")
    return Text(("http://", Reference(kind, contract.name), f":{port}{path}"))


def _catalogue_item(contract: Contract) -> Value:
    endpoint = contract.endpoint
    if endpoint is None:
        return None
    name = contract.name
    internal = url(contract, "address")
    item: dict[str, Value] = {
        "name": endpoint.name,
        "type": endpoint.type,
        "public": url(contract, "public"),
        "internal": internal,
        "admin": internal,
    }
    password = f"{name}.service-password"
    if password in contract.secrets:
        item |= {"user": name, "password": Text((Reference("secret", password),))}
    return item


def _role_metadata(
    role: Role, values: Mapping[str, Value], contracts: Contracts
) -> dict[str, Value]:
    # A key that nobody in the cloud owns is absent: what ``needs`` does not ask for is optional.
    return {
        key: role.config[key] if key in role.config else values[key]
        for key in services.metadata_keys(role.services, contracts)
        if key in role.config or key in values
    }
