# SPDX-License-Identifier: Apache-2.0
"""Names that follow from a cloud file; ``generator.output.names`` has those of files.

Two kinds of names must not collide: those in the undercloud, which all clouds share and in which
``load-image --replace`` and ``setup-flavors`` replace what has the same name (``_owned`` keeps
them apart); and those in a stack, where the check of roles compares them (``resource_names``,
``parameter_names``). Names of clouds, roles and networks have lower-case letters, digits and
hyphens (``grammar.NAME``).
"""

from collections.abc import Iterator

from generator.cloudfile.model import Cloud, Role, camel_case

RESERVED = frozenset(["environment", "images", "images-env", "secrets"])
"""Clouds that cannot be: each template, NAME.yaml, would be another file of the directory."""

KEY_PARAMETER = "KeyName"
"""The parameter of every stack that is the key pair for ssh."""


def _owned(cloud: str, name: str) -> str:
    """Return the name of what belongs to the cloud called ``cloud``; no other cloud has it.

    The first hyphen ends the name of the cloud; where that has hyphens itself, the first dot does.
    Not always a dot: a flavor of another name would have Nova resize the servers of clouds that
    run. Nova (``parameter_types.name``), Glance and Neutron allow dots in names.
    """
    return f"{cloud}{'.' if '-' in cloud else '-'}{name}"


def flavor_name(cloud: Cloud, role: Role) -> str:
    """Return the name of the Nova flavor of ``role``."""
    return _owned(cloud.name, role.name)


def image_name(cloud: Cloud, role: Role) -> str:
    """Return the name in Glance, and of the file, of the image of ``role``.

    No hypervisor type has a hyphen, so that the last one ends the name of the role.
    """
    return _owned(cloud.name, f"{role.name}-{role.hypervisor}")


def neutron_port_name(cloud: Cloud, instance: str, network: str) -> str:
    """Return the name in Neutron of the port of ``instance`` on ``network``."""
    return _owned(cloud.name, f"{instance}.{network}")


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


def count_parameter(role: Role) -> str:
    """Return the name of the parameter that is the number of instances of ``role``."""
    return f"{role.title}Count"


def image_parameter(role: Role) -> str:
    """Return the name of the parameter that is the image of ``role``."""
    return f"{role.title}Image"


def flavor_parameter(role: Role) -> str:
    """Return the name of the parameter that is the flavor of ``role``."""
    return f"{role.title}Flavor"


def secret_parameter(secret: str) -> str:
    """Return the name of the parameter that is the secret ``secret`` of a contract."""
    return camel_case(secret)


def parameter_names(role: Role) -> Iterator[str]:
    """Yield the names of all parameters of ``role``."""
    yield count_parameter(role)
    yield image_parameter(role)
    yield flavor_parameter(role)
