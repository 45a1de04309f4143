# SPDX-License-Identifier: Apache-2.0
"""Provider networks in Neutron: how those of ``networks.json`` differ, and how to change that.

``neutron`` is always the ``network`` proxy of an openstacksdk connection. Attribute names are the
SDK's, https://docs.openstack.org/openstacksdk/latest/user/resources/network/.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from altostratus.clients.errors import translated
from altostratus.errors import AltostratusError
from altostratus.undo import undone
from altostratus.yamlfile.addresses import ADDRESS, CIDR
from altostratus.yamlfile.schema import Schema
from setupcloud import command
from setupcloud.command import Difference

SERVICE = "Neutron"

_POOL: Schema = {
    "type": "object",
    "required": ["start", "end"],
    "additionalProperties": False,
    "properties": {"start": ADDRESS, "end": ADDRESS},
}
_ROUTE: Schema = {
    "type": "object",
    "required": ["destination", "nexthop"],
    "additionalProperties": False,
    "properties": {"destination": CIDR, "nexthop": ADDRESS},
}

NETWORK: Schema = {
    "type": "object",
    "required": ["name", "type", "physical_network", "cidr"],
    "additionalProperties": False,
    "properties": {
        "name": {**command.NAME, "description": "Name of the network and of its subnet"},
        "type": {
            "type": "string",
            "enum": ["flat", "vlan"],
            "description": "`provider:network_type`",
        },
        "physical_network": {
            "type": "string",
            "minLength": 1,
            "description": "`provider:physical_network`",
        },
        "segmentation_id": {
            "type": "integer",
            "minimum": 1,
            "maximum": 4094,
            "description": "VLAN id; for `vlan` alone, and needed there",
        },
        "cidr": {**CIDR, "description": "Addresses of the subnet, IPv4"},
        "gateway": {**ADDRESS, "description": "Gateway address; absent: no gateway"},
        "allocation_pools": {
            "type": "array",
            "items": _POOL,
            "description": "Addresses for ports: `{start, end}`; absent: all of the subnet's",
        },
        "routes": {
            "type": "array",
            "items": _ROUTE,
            "description": "Routes that DHCP announces: `{destination, nexthop}`",
        },
        "dns": {
            "type": "array",
            "items": ADDRESS,
            "description": "Name servers that DHCP announces, in order",
        },
        "dhcp": {"type": "boolean", "default": True, "description": "Whether DHCP runs"},
        "mtu": {
            "type": "integer",
            "minimum": 68,
            "maximum": 65535,
            "description": "Largest packet in bytes; absent: Neutron's default",
        },
    },
}
"""One network of ``networks.json``."""

NETWORKS: Schema = {
    "type": "object",
    "required": ["networks"],
    "additionalProperties": False,
    "properties": {"networks": {"type": "array", "items": NETWORK}},
}
"""The form of ``networks.json``."""

# What Neutron cannot change in an existing network or subnet, with its name in messages.
_FIXED = {
    "provider_network_type": "type",
    "provider_physical_network": "physical network",
    "provider_segmentation_id": "segmentation id",
    "cidr": "cidr",
}
# What it can, by the key of the file.
_FIELDS = {
    "gateway_ip": "gateway",
    "is_dhcp_enabled": "dhcp",
    "dns_nameservers": "dns",
    "host_routes": "routes",
    "is_port_security_enabled": "port security",
}


@dataclass(frozen=True)
class Change:
    """What has to be done for one network: attributes to create or update it with, by SDK name.

    ``network_id`` and ``subnet_id`` are None for what does not exist yet. ``before`` has what an
    update changes, of both, as it is now.
    """

    name: str
    network_id: str | None
    network: Mapping[str, Any]
    subnet_id: str | None
    subnet: Mapping[str, Any]
    before: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The name for the user."""
        return self.name

    @property
    def known_id(self) -> str | None:
        """The id of the network, None if it does not exist."""
        return self.network_id

    @property
    def kind(self) -> str:
        """One word for the user: created, updated or unchanged."""
        if self.network_id is None:
            return "created"
        return "updated" if self.network or self.subnet else command.UNCHANGED

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs, where the network exists."""
        if self.network_id is None:
            return ()
        changes = {**self.network, **(self.subnet if self.subnet_id else {})}
        differing = [
            Difference(_FIELDS.get(key, key), self.before[key], value)
            for key, value in changes.items()
        ]
        if self.subnet_id is None:
            differing.append(Difference("subnet", None, self.subnet["cidr"]))
        return tuple(differing)


def plan(neutron: Any, networks: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return the changes that make Neutron's networks like ``networks`` (items of NETWORKS).

    Changes nothing. Raises AltostratusError, for all networks at once, where it is not clear which
    one is meant, or an existing one differs in something that Neutron cannot change.
    """
    changes: list[Change] = []
    obstacles: list[str] = []
    for wanted in networks:
        change, problems = _change(neutron, wanted)
        changes += [change] if change else []
        obstacles += problems
    if obstacles:
        raise AltostratusError(
            "\n".join(obstacles),
            "delete the network and run setup-neutron again, or give the new one another name; "
            "of several of one name, rename those that are not meant: openstack network set "
            "--name OTHER ID",
        )
    return changes


def apply(neutron: Any, change: Change) -> str:
    """Carry out ``change`` and return the network's id; if that fails, nothing is changed."""
    network_id = change.network_id
    if network_id is None:
        with translated(SERVICE):
            network_id = str(neutron.create_network(**change.network).id)
        what = f"the network {change.name} ({network_id}) is there without its subnet"
        with undone(what, lambda: neutron.delete_network(network_id)):
            _apply_subnet(neutron, network_id, change)
        return network_id
    if change.network:
        with translated(SERVICE):
            neutron.update_network(network_id, **change.network)
    before = {key: change.before[key] for key in change.network}
    what = f"the network {change.name} is changed, its subnet is not"
    with undone(what, lambda: before and neutron.update_network(network_id, **before)):
        _apply_subnet(neutron, network_id, change)
    return network_id


def _apply_subnet(neutron: Any, network_id: str, change: Change) -> None:
    with translated(SERVICE):
        if change.subnet_id is None:
            neutron.create_subnet(network_id=network_id, **change.subnet)
        elif change.subnet:
            neutron.update_subnet(change.subnet_id, **change.subnet)


def _change(neutron: Any, wanted: Mapping[str, Any]) -> tuple[Change | None, list[str]]:
    name = wanted["name"]
    network, subnet = _network_attributes(wanted), _subnet_attributes(wanted)
    # Neutron compares as its database does: MySQL ignores the case.
    found = [one for one in neutron.networks(name=name) if one.name == name]
    if len(found) > 1:
        ids = ", ".join(one.id for one in found)
        return None, [f"there are {len(found)} networks called {name}: {ids}"]
    if not found:
        return Change(name, None, network, None, subnet), []
    there = found[0]
    differing = _differing(network, there)
    problems = _obstacles(f"network {name}", differing, there)
    before = {key: getattr(there, key) for key in differing}
    subnets = _subnets(neutron, there, subnet)
    if len(subnets) > 1:
        ids = ", ".join(f"{one.id} ({one.cidr})" for one in subnets)
        return None, [*problems, f"network {name} has {len(subnets)} IPv4 subnets: {ids}"]
    if not subnets:
        return Change(name, there.id, differing, None, subnet, before), problems
    changes = _differing(subnet, subnets[0])
    before |= {key: getattr(subnets[0], key) for key in changes}
    problems += _obstacles(f"subnet of {name}", changes, subnets[0])
    return Change(name, there.id, differing, subnets[0].id, changes, before), problems


def _subnets(neutron: Any, network: Any, wanted: Mapping[str, Any]) -> list[Any]:
    """Return the subnet of ``network`` that is meant; several if that is not clear."""
    found = list(neutron.subnets(network_id=network.id, ip_version=4))
    for key in ("cidr", "name"):
        if len(found) > 1:
            alike = [one for one in found if getattr(one, key) == wanted[key]]
            found = alike or found
    return found


def _network_attributes(wanted: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        "name": wanted["name"],
        "provider_network_type": wanted["type"],
        "provider_physical_network": wanted["physical_network"],
        # Instances use addresses and VLAN tags that port security would drop as spoofed.
        "is_port_security_enabled": False,
    }
    optional = {"provider_segmentation_id": "segmentation_id", "mtu": "mtu"}
    return attributes | {key: wanted[name] for key, name in optional.items() if name in wanted}


def _subnet_attributes(wanted: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        "name": wanted["name"],
        "ip_version": 4,
        "cidr": wanted["cidr"],
        # None means no gateway; without the key Neutron would choose one.
        "gateway_ip": wanted.get("gateway"),
        "is_dhcp_enabled": wanted.get("dhcp", True),
        "dns_nameservers": wanted.get("dns", []),
        "host_routes": wanted.get("routes", []),
    }
    if "allocation_pools" in wanted:
        attributes["allocation_pools"] = wanted["allocation_pools"]
    return attributes


def _differing(wanted: Mapping[str, Any], there: Any) -> dict[str, Any]:
    return {
        key: value
        for key, value in wanted.items()
        if _comparable(key, value) != _comparable(key, getattr(there, key))
    }


def _comparable(key: str, value: Any) -> Any:
    """Return ``value`` in a form to compare: Neutron lists routes and pools in any order."""
    if key in ("host_routes", "allocation_pools"):
        return sorted(sorted(item.items()) for item in value or [])
    return list(value or []) if key == "dns_nameservers" else value


def _obstacles(what: str, differing: Mapping[str, Any], there: Any) -> list[str]:
    return [
        f"{what}: its {title} is {getattr(there, key)}, wanted is {differing[key]}; Neutron cannot "
        "change that"
        for key, title in _FIXED.items()
        if key in differing
    ]
