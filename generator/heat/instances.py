# SPDX-License-Identifier: Apache-2.0
"""The list of a role's instances in the root stack: of each its networks and its inputs.

An item goes to ``templates/server-<type>.yaml``, which takes the one of its index.
"""

from collections.abc import Mapping
from typing import Any

from altostratus.yamlfile.emit import Flow
from generator.cloudfile.model import Cloud, Role
from generator.cloudfile.naming import group_name, port_name
from generator.heat import ports


def instances(cloud: Cloud, role: Role, inputs: Mapping[str, Any]) -> Any:
    """Return the Heat value of the list; ``inputs`` are those of ``RoleConfig``."""
    if role.addresses:
        return [_fixed(cloud, role, inputs, index) for index in range(role.count)]
    for_each: dict[str, Any] = {}
    for network in role.networks:
        group = group_name(role, network)
        for_each[f"<{network}.port>"] = {"get_attr": [group, "refs"]}
        for_each[f"<{network}.address>"] = ports.addresses(role, network)
    template = _instance(cloud, role, {one: f"<{one}.port>" for one in role.networks}, inputs)
    return {"repeat": {"for_each": for_each, "permutations": False, "template": template}}


def _fixed(cloud: Cloud, role: Role, inputs: Mapping[str, Any], index: int) -> dict[str, Any]:
    own = {f"<{network}.address>": ports.address(role, network, index) for network in role.networks}
    its_ports = {
        network: {"get_resource": port_name(role, network, index)} for network in role.networks
    }
    filled = {name: _filled(value, own) for name, value in inputs.items()}
    return _instance(cloud, role, its_ports, filled)


def _instance(
    cloud: Cloud, role: Role, its_ports: Mapping[str, Any], inputs: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "networks": [Flow({"port": port}) for port in its_ports.values()],
        "untagged": [
            Flow({"port": port})
            for network, port in its_ports.items()
            if cloud.carrier(role, network) is None
        ],
        "inputs": inputs,
    }


def _filled(value: Any, own: Mapping[str, Any]) -> Any:
    """Return an input's ``value`` with the placeholders that occur in it replaced by ``own``."""
    if isinstance(value, str):
        if value in own:
            return own[value]
        for symbol, one in own.items():
            value = value.replace(symbol, one) if isinstance(one, str) else value
    params = {symbol: one for symbol, one in own.items() if symbol in str(value)}
    return {"str_replace": {"template": value, "params": params}} if params else value
