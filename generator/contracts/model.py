# SPDX-License-Identifier: Apache-2.0
"""The typed model of service contracts, as ``generator.contracts`` loads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark
from altostratus.yamlfile.schema import Schema
from generator.contracts.references import Reference, Text, Value

CATALOGUE = "keystone.services"
"""The list key that the ``endpoint`` of every contract contributes an item to."""


@dataclass(frozen=True, slots=True)
class Key:
    """A metadata key of a contract.

    ``schema`` is the JSON Schema of its value; ``value`` is where the value comes from, and None
    with ``required`` if the user must give it.
    """

    name: str
    contract: str
    schema: Schema
    value: Value
    required: bool
    secret: bool
    description: str
    mark: Mark

    @property
    def only_secret(self) -> str | None:
        """The name of the secret that is the whole value of the key, if it is one."""
        whole = self.value.whole if isinstance(self.value, Text) else None
        return whole.name if whole and whole.kind == "secret" else None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The entry of a service in Keystone's catalogue."""

    type: str
    name: str
    port: int
    path: str

    def url(self, service: str, kind: str) -> Text:
        """Return the URL that ``service`` answers on; ``kind`` is ``public`` or ``address``."""
        return Text(("http://", Reference(kind, service), f":{self.port}{self.path}"))


@dataclass(frozen=True, slots=True)
class Health:
    """An HTTP check of one API of a service, on any instance that has the service.

    The API is healthy if it answers a GET of ``path`` on ``port`` with a status below 500.
    """

    name: str
    port: int
    path: str


@dataclass(frozen=True, slots=True)
class Listener:
    """A TCP port that a service listens on, or the metadata key that has it.

    ``scope`` is one of SCOPES: ``loopback``; ``service``, the instance's address on the service
    network; ``public``, that and its address on the public network. There is no other address.
    """

    port: int | str
    scope: str


@dataclass(frozen=True, slots=True)
class Contract:
    """One service, or the shared base of several; see SERVICE_SCHEMA for the fields.

    ``keys`` includes those that the service inherits from the contract that it extends. ``closure``
    names the contracts of this element and of those that it depends on. ``listens`` includes the
    port of the endpoint.
    """

    name: str
    summary: str
    group: str | None
    base: bool
    needs: tuple[str, ...]
    max: int | None
    clustered: bool
    units: tuple[str, ...]
    health: tuple[Health, ...]
    listens: tuple[Listener, ...]
    endpoint: Endpoint | None
    contributes: Mapping[str, tuple[Value, ...]]
    secrets: Mapping[str, str]
    reads: tuple[str, ...]
    keys: Mapping[str, Key]
    closure: tuple[str, ...]
    node: Node


@dataclass(frozen=True)
class Contracts:
    """Every contract by service name, and every key and secret of theirs by its own name.

    ``damaged`` are services, keys and secrets of contracts that have problems, which are reported.
    """

    by_name: Mapping[str, Contract]
    keys: Mapping[str, Key]
    secrets: Mapping[str, str]
    damaged: frozenset[str] = frozenset()

    def may_have(self, name: str) -> bool:
        """Return whether a damaged contract has, or may have, what is called ``name``."""
        return any(name == one or name.startswith(f"{one}.") for one in self.damaged)

    @cached_property
    def services(self) -> dict[str, Contract]:
        """The contracts that a role can list, by name."""
        return {name: one for name, one in self.by_name.items() if not one.base}

    @cached_property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The names of the services of each group."""
        found: dict[str, list[str]] = {}
        for name, contract in self.services.items():
            if contract.group:
                found.setdefault(contract.group, []).append(name)
        return {group: tuple(names) for group, names in sorted(found.items())}
