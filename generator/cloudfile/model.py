# SPDX-License-Identifier: Apache-2.0
"""The typed model of a cloud, as ``loader`` reads it from a file of the form ``grammar``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from altostratus.yamlfile.problems import Mark


@dataclass(frozen=True, slots=True)
class Route:
    """A route that DHCP announces."""

    destination: IPv4Network
    nexthop: IPv4Address


@dataclass(frozen=True, slots=True)
class Network:
    """A provider network; ``vlan`` is None for a flat one, ``pool`` is first and last address."""

    name: str
    vlan: int | None
    physical_network: str
    cidr: IPv4Network
    gateway: IPv4Address | None
    pool: tuple[IPv4Address, IPv4Address]
    dns: tuple[IPv4Address, ...]
    routes: tuple[Route, ...]
    dhcp: bool
    mtu: int | None

    @property
    def type(self) -> str:
        """Neutron's ``provider:network_type``."""
        return "flat" if self.vlan is None else "vlan"

    @property
    def pool_size(self) -> int:
        """How many addresses the pool has."""
        return int(self.pool[1]) - int(self.pool[0]) + 1

    @property
    def hosts(self) -> tuple[IPv4Address, IPv4Address]:
        """The first and last address that a host can have."""
        return hosts(self.cidr)

    @property
    def pool_fits(self) -> bool:
        """Whether the pool has only addresses that hosts can have."""
        return all(self.has_host(address) for address in self.pool)

    def has_host(self, address: IPv4Address) -> bool:
        """Return whether a host in this network can have ``address``."""
        first, last = self.hosts
        return first <= address <= last


def hosts(cidr: IPv4Network) -> tuple[IPv4Address, IPv4Address]:
    """Return the first and last address for hosts in ``cidr``: all but its ends (but RFC 3021)."""
    return (cidr[0], cidr[-1]) if cidr.prefixlen > 30 else (cidr[1], cidr[-2])


@dataclass(frozen=True, slots=True)
class Flavor:
    """Size of an instance: MiB, number, GiB."""

    ram: int
    vcpus: int
    disk: int


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of instance.

    ``services`` are service names in the order of the file, ``networks`` names in the order of the
    interfaces, ``config`` metadata keys (dotted) with their values, without the ``secrets`` that
    the file has there, which are by the names of the contracts. ``addresses`` are the fixed ones,
    one for each instance, by network. ``mark`` is where the file has it, ``marks`` where the keys
    of ``config``.
    """

    name: str
    hypervisor: str
    count: int
    services: tuple[str, ...]
    networks: tuple[str, ...]
    flavor: Flavor
    config: Mapping[str, Any]
    addresses: Mapping[str, tuple[IPv4Address, ...]]
    mark: Mark = field(compare=False)
    marks: Mapping[str, Mark] = field(compare=False)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_fixed(self) -> bool:
        """Whether every address is known from the file."""
        return all(network in self.addresses for network in self.networks)

    def instance(self, index: int | str) -> str:
        """Return the name of the instance ``index`` (counted from 0; or Heat's ``%index%``)."""
        return self.name if self.is_fixed and self.count == 1 else f"{self.name}-{index}"

    @property
    def title(self) -> str:
        """The role's name in Heat: ``BlockStorage`` for ``block-storage``."""
        return camel_case(self.name)


@dataclass(frozen=True, slots=True)
class Cloud:
    """A whole cloud: roles on networks; ``distribution`` is the Debian release of its images.

    ``joined`` is the cloud whose services it uses where it has none of its own, or None.
    """

    name: str
    release: str
    distribution: str
    hypervisors: tuple[str, ...]
    networks: Mapping[str, Network]
    service_network: str
    public_network: str
    roles: Mapping[str, Role]
    joined: "Cloud | None" = None

    @property
    def services(self) -> frozenset[str]:
        """The names of all services of its roles."""
        return frozenset(name for role in self.roles.values() for name in role.services)

    def carrier(self, role: Role, network: str) -> str | None:
        """Return the network of ``role`` that carries the VLAN ``network``; see ``carrier``."""
        others = (self.networks[one] for one in role.networks)
        found = carrier(self.networks[network], others)
        return found.name if found else None


def carrier(network: Network, others: Iterable[Network]) -> Network | None:
    """Return which of ``others`` is the flat network on the physical network of a VLAN.

    A machine with one cable has an interface for it, and for each VLAN a tagged one on top. None
    if ``network`` is flat itself, and if there is no such other.
    """
    if network.vlan is None:
        return None
    physical = network.physical_network
    flat = (one for one in others if one.vlan is None and one.physical_network == physical)
    return next(flat, None)


@lru_cache(maxsize=4096)
def camel_case(name: str) -> str:
    """Return ``name`` in the spelling of Heat parameters: ``GlanceDbPassword``."""
    for separator in "._":
        name = name.replace(separator, "-")
    return "".join(word[:1].upper() + word[1:] for word in name.split("-"))
