# SPDX-License-Identifier: Apache-2.0
"""Provider networks in Neutron: how those of ``networks.json`` differ, and how to change that.

``neutron`` is always the ``network`` proxy of an openstacksdk connection. Attribute names are the
SDK's, https://docs.openstack.org/openstacksdk/latest/user/resources/network/.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from altostratus.errors import AltostratusError
from altostratus.yamlfile.addresses import ADDRESS, CIDR
from altostratus.yamlfile.schema import Schema

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
        "name": {
            "type": "string",
            "minLength": 1,
            "description": "Name of the network and of its subnet",
        },
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

# What Neutron cannot change in an existing network or subnet, in words for messages.
_FIXED = {
    "provider_network_type": "type",
    "provider_physical_network": "physical network",
    "provider_segmentation_id": "segmentation id",
    "cidr": "cidr",
}


@dataclass(frozen=True)
class Change:
    """What has to be done for one network: attributes to create or update it with, by SDK name.

    ``network_id`` and ``subnet_id`` are None for what does not exist yet.
    """

    name: str
    network_id: str | None
    network: Mapping[str, Any]
    subnet_id: str | None
    subnet: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """One word for the user: created, updated or unchanged."""
        if self.network_id is None:
            return "created"
        return "updated" if self.network or self.subnet else "unchanged"


def plan(neutron: Any, networks: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return the changes that make Neutron's networks like ``networks`` (items of NETWORKS).

    Changes nothing. Raises AltostratusError, for all networks at once, where an existing one
    differs in something that Neutron cannot change.
    """
    changes: list[Change] = []
    obstacles: list[str] = []
    for wanted in networks:
        change, problems = _change(neutron, wanted)
        changes.append(change)
        obstacles += problems
    if obstacles:
        raise AltostratusError(
            "\n".join(obstacles),
            "delete the network and run setup-neutron again, or give the new one another name",
        )
    return changes


def apply(neutron: Any, change: Change) -> None:
    """Carry out ``change``."""
    network_id = change.network_id
    if network_id is None:
        network_id = neutron.create_network(**change.network).id
    elif change.network:
        neutron.update_network(network_id, **change.network)
    if change.subnet_id is None:
        neutron.create_subnet(network_id=network_id, **change.subnet)
    elif change.subnet:
        neutron.update_subnet(change.subnet_id, **change.subnet)


def _change(neutron: Any, wanted: Mapping[str, Any]) -> tuple[Change, list[str]]:
    name = wanted["name"]
    network, subnet = _network_attributes(wanted), _subnet_attributes(wanted)
    found = list(neutron.networks(name=name))
    if len(found) > 1:
        return Change(name, None, {}, None, {}), [f"there are {len(found)} networks called {name}"]
    if not found:
        return Change(name, None, network, None, subnet), []
    there = found[0]
    differing = _differing(network, there)
    problems = _obstacles(f"network {name}", differing, there)
    subnets = list(neutron.subnets(network_id=there.id, ip_version=4))
    if len(subnets) > 1:
        subnets = [one for one in subnets if one.name == name] or subnets
    if not subnets:
        return Change(name, there.id, differing, None, subnet), problems
    changes = _differing(subnet, subnets[0])
    problems += _obstacles(f"subnet of {name}", changes, subnets[0])
    return Change(name, there.id, differing, subnets[0].id, changes), problems


def _network_attributes(wanted: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        "name": wanted["name"],
        "provider_network_type": wanted["type"],
        "provider_physical_network": wanted["physical_network"],
        # Instances use addresses and VLAN tags that port security would drop as spoofed.
        "is_port_security_enabled": False,
    }
    optional = {"provider_segmentation_id": "segmentation_id", "mtu": "mtu"}
    return attributes | {key: wanted[word] for key, word in optional.items() if word in wanted}


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
        f"{what}: its {words} is {getattr(there, key)}, wanted is {differing[key]}; Neutron cannot "
        "change that"
        for key, words in _FIXED.items()
        if key in differing
    ]
