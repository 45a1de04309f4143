# SPDX-License-Identifier: Apache-2.0
"""The metadata of instances as a tree, whether its values are Heat functions or literals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from generator.cloudfile.model import Network, Role
from generator.contracts.references import Text, Value
from generator.plan.model import Plan


def tree(
    plan: Plan, role: Role, value: Callable[[str, Value], Any], own: Callable[[str], Any]
) -> dict[str, Any]:
    """Return the metadata of an instance of ``role`` as a tree.

    ``value`` renders the symbolic value of a key, ``own`` what differs between instances (``name``
    and ``NETWORK.address``) or between hypervisor types (``type``).
    """
    instance = {
        "name": own("name"),
        "role": role.name,
        "cloud": plan.cloud.name,
        "hypervisor-type": own("type"),
        "addresses": {network: own(f"{network}.address") for network in role.networks},
        **{
            f"{kind}_address": own(f"{network}.address")
            for kind, network in _listening(plan).items()
            if network in role.networks
        },
    }
    vlans = [
        _vlan(plan.cloud.networks[network], under, own(f"{network}.address"))
        for network in role.networks
        if (under := plan.cloud.carrier(role, network))
    ]
    if vlans:
        instance["vlans"] = vlans
    keys = {key: value(key, one) for key, one in plan.metadata[role.name].items()}
    return {"instance": instance, **nested(keys)}


def _listening(plan: Plan) -> dict[str, str]:
    """Return the networks that services listen on, by what they are for."""
    return {"service": plan.cloud.service_network, "public": plan.cloud.public_network}


def _vlan(network: Network, under: str, address: Any) -> dict[str, Any]:
    """Return what a machine that sees tagged traffic needs to be on ``network``.

    The interface that has the machine's address on the network ``under`` carries it. No DHCP
    reaches a VLAN on bare metal: addresses, routes and name servers are given here.
    """
    found: dict[str, Any] = {
        "network": network.name,
        "vlan_id": network.vlan,
        "carrier": under,
        "address": address,
        "prefix_length": network.cidr.prefixlen,
        "mtu": network.mtu,
        "gateway": str(network.gateway) if network.gateway else None,
        "routes": [
            {"destination": str(route.destination), "nexthop": str(route.nexthop)}
            for route in network.routes
        ],
        "dns": [str(server) for server in network.dns],
    }
    return {key: value for key, value in found.items() if value not in (None, [])}


def nested(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as a tree: ``{"a.b": 1}`` becomes ``{"a": {"b": 1}}``."""
    tree: dict[str, Any] = {}
    for key, value in keys.items():
        *path, leaf = key.split(".")
        branch = tree
        for word in path:
            branch = branch.setdefault(word, {})
        branch[leaf] = value
    return tree


def replaced(value: Value, text: Callable[[Text], Any]) -> Any:
    """Return ``value`` with ``text`` applied to every symbolic string in it."""
    if isinstance(value, Text):
        return text(value)
    if isinstance(value, Mapping):
        return {key: replaced(item, text) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [replaced(item, text) for item in value]
    return value
