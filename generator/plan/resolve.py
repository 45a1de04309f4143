# SPDX-License-Identifier: Apache-2.0
"""Makes the plan of a cloud: the metadata of every role from the contracts of its services.

An instance gets the keys of the contracts in its role's elements and the keys that they read, and
nothing else: no secret reaches an instance that has no use for it.
"""

from collections.abc import Mapping, Sequence

from generator.cloudfile import services
from generator.cloudfile.model import Cloud, Role
from generator.contracts import references
from generator.contracts.model import CATALOGUE, Contract, Contracts, Endpoint
from generator.contracts.references import Reference, Text, Value
from generator.plan.model import Plan


def resolve(cloud: Cloud, contracts: Contracts) -> Plan:
    """Return the plan of ``cloud``; ``generator.plan.check_plan`` checks it."""
    joined = cloud.joined.services if cloud.joined else frozenset()
    values = _values(services.closure(cloud.services | joined, contracts), contracts)
    values |= _joined_config(cloud, contracts)
    metadata = {role.name: _role_metadata(role, values, contracts) for role in cloud.roles.values()}
    theirs = {name for one in services.closure(joined, contracts) for name in one.secrets}
    secrets = {name: contracts.secrets[name] for name in _needed_secrets(metadata)}
    return Plan(
        cloud,
        contracts,
        metadata,
        secrets,
        roles_by_service=_roles_by_service(cloud),
        joined_roles_by_service=_roles_by_service(cloud.joined) if cloud.joined else {},
        inherited=frozenset(theirs & secrets.keys()),
        given={
            name: value
            for role in cloud.roles.values()
            for name, value in role.secrets.items()
            if name in secrets
        },
    )


def _roles_by_service(cloud: Cloud) -> dict[str, tuple[Role, ...]]:
    return {
        service: tuple(role for role in cloud.roles.values() if service in role.services)
        for service in sorted(cloud.services)
    }


def _needed_secrets(metadata: Mapping[str, Mapping[str, Value]]) -> list[str]:
    needed = {
        reference.name
        for keys in metadata.values()
        for value in keys.values()
        for reference in references.references(value)
        if reference.kind == "secret"
    }
    return sorted(needed)


def _joined_config(cloud: Cloud, contracts: Contracts) -> dict[str, Value]:
    """Return the joined cloud's settings of keys that no service of this cloud owns."""
    own = {key for one in services.closure(cloud.services, contracts) for key in one.keys}
    return {
        key: value
        for role in (cloud.joined.roles.values() if cloud.joined else ())
        for key, value in role.config.items()
        if key not in own
    }


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
        found[CATALOGUE] = (_catalogue_item(contract, contract.endpoint), *found.get(CATALOGUE, ()))
    return found


def _catalogue_item(contract: Contract, endpoint: Endpoint) -> Value:
    name = contract.name
    internal = endpoint.url(name, "address")
    item: dict[str, Value] = {
        "name": endpoint.name,
        "type": endpoint.type,
        "public": endpoint.url(name, "public"),
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
    # A key whose owner is not in the cloud is absent: what ``needs`` does not list is optional.
    return {
        key: role.config[key] if key in role.config else values[key]
        for key in services.metadata_keys(role.services, contracts)
        if key in role.config or key in values
    }
