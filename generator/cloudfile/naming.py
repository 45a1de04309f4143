# SPDX-License-Identifier: Apache-2.0
"""Names that follow from a cloud file: Nova flavors, and resources of the root stack."""

from generator.cloudfile.model import Cloud, Role, camel_case


def flavor_name(cloud: Cloud, role: Role) -> str:
    """Return the name of the Nova flavor of ``role``."""
    return f"{cloud.name}-{role.name}"


def config_name(role: Role) -> str:
    """Return the name of the software configuration that the instances of ``role`` share."""
    return f"{role.title}Config"


def group_name(role: Role, network: str) -> str:
    """Return the name of the group of ports of ``role`` on ``network``."""
    return f"{role.title}{camel_case(network)}Ports"


def port_name(role: Role, network: str, index: int) -> str:
    """Return the name of the port of one instance of a role with fixed addresses."""
    return f"{role.title}{camel_case(network)}Port{index}"


def resource_names(role: Role) -> list[str]:
    """Return the names of all resources of ``role`` in the root stack."""
    names = [config_name(role), role.title]
    for network in role.networks:
        if role.addresses:
            names += [port_name(role, network, index) for index in range(role.count)]
        else:
            names.append(group_name(role, network))
    return names
