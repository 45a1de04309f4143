# SPDX-License-Identifier: Apache-2.0
"""The plan of a cloud: what is deployed, with metadata that is still symbolic."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.cloudfile.model import Cloud, Role
from generator.contracts.model import Contracts
from generator.contracts.references import Reference, Value


@dataclass(frozen=True)
class Plan:
    """A cloud with all that follows from it.

    ``contracts`` are those of all services. ``metadata`` maps role → key → symbolic value;
    ``secrets`` are the needed secrets and their kinds, ``inherited`` the names of those that belong
    to the joined cloud, ``given`` those that the cloud file has itself, with their values.
    ``roles_by_service`` are the roles that have a service, in the order of the file,
    ``joined_roles_by_service`` those of the joined cloud.
    """

    cloud: Cloud
    contracts: Contracts
    metadata: Mapping[str, Mapping[str, Value]]
    secrets: Mapping[str, str]
    roles_by_service: Mapping[str, tuple[Role, ...]]
    joined_roles_by_service: Mapping[str, tuple[Role, ...]] = field(default_factory=dict)
    inherited: frozenset[str] = frozenset()
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    def providers(self, service: str) -> tuple[Role, ...]:
        """Return the roles whose addresses stand for ``service``: own ones, else joined ones."""
        own = self.roles_by_service.get(service)
        return own or self.joined_roles_by_service.get(service, ())

    def network_of(self, reference: Reference) -> str:
        """Return the network that a reference to an address means."""
        cloud = self.cloud
        if cloud.joined and reference.name not in self.roles_by_service:
            cloud = cloud.joined
        return cloud.public_network if reference.kind == "public" else cloud.service_network
