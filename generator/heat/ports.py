# SPDX-License-Identifier: Apache-2.0
"""The ports of a role in the root template: their resources, their names, their addresses.

A role has one group of ports on each of its networks, which scales with it. Where any address is
fixed, each port is a resource of its own: a group cannot give its members different addresses.
"""

from typing import Any

from altostratus.yamlfile.emit import Block
from generator.cloudfile.model import Cloud, Role
from generator.cloudfile.naming import (
    count_parameter,
    group_name,
    neutron_port_name,
    port_name,
)

INDEX = "%index%"
"""What OS::Heat::ResourceGroup replaces in its members, after functions have been resolved."""


def addresses(role: Role, network: str) -> Any:
    """Return the Heat value of the list of addresses of ``role`` on ``network``."""
    if role.addresses:
        return [address(role, network, index) for index in range(role.count)]
    return {"get_attr": [group_name(role, network), "fixed_ips", 0, "ip_address"]}


def address(role: Role, network: str, index: int) -> Any:
    """Return the Heat value of the address of the instance ``index`` of ``role`` on ``network``."""
    if network in role.addresses:
        return str(role.addresses[network][index])
    if role.addresses:
        return {"get_attr": [port_name(role, network, index), "fixed_ips", 0, "ip_address"]}
    first = f"resource.{index}.fixed_ips"
    return {"get_attr": [group_name(role, network), first, 0, "ip_address"]}


def count(role: Role) -> Any:
    """Return the Heat value of the number of instances of ``role``."""
    return role.count if role.addresses else {"get_param": count_parameter(role)}


def group(role: Role, properties: dict[str, Any], type_: str) -> dict[str, Any]:
    """Return a group of as many resources of ``type_`` as ``role`` has instances."""
    return {
        "type": "OS::Heat::ResourceGroup",
        "properties": {
            "count": count(role),
            "resource_def": {"type": type_, "properties": properties},
        },
    }


def resources(cloud: Cloud, role: Role, network: str) -> dict[str, Any]:
    """Return the resources that are the ports of ``role`` on ``network``."""
    if not role.addresses:
        name = neutron_port_name(cloud, role.instance(INDEX), network)
        properties: dict[str, Any] = {"name": name, "network": network}
        members = group(role, properties, "OS::Neutron::Port")
        return {group_name(role, network): Block(members)}
    ports = {}
    for index in range(role.count):
        name = neutron_port_name(cloud, role.instance(index), network)
        properties = {"name": name, "network": network}
        if network in role.addresses:
            properties["fixed_ips"] = [{"ip_address": str(role.addresses[network][index])}]
        port = {"type": "OS::Neutron::Port", "properties": properties}
        ports[port_name(role, network, index)] = Block(port)
    return ports
