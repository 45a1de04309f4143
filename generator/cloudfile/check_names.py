# SPDX-License-Identifier: Apache-2.0
"""Whether names that follow from a cloud file collide: of files, instances, resources, parameters.

Names in the undercloud cannot (``generator.cloudfile.naming``).
"""

from collections.abc import Iterator

from altostratus.yamlfile.problems import Mark, Problem
from generator.cloudfile import checks, naming
from generator.cloudfile.context import Context, is_known
from generator.cloudfile.model import Role


def check(context: Context) -> Iterator[Problem]:
    """Yield the names that two things of the cloud of ``context`` would have."""
    yield from _file_name(context)
    for role in context.roles.values():
        yield from _instance_names(role, context)
    yield from _resource_names(context)
    yield from _parameter_names(context)


def _file_name(context: Context) -> Iterator[Problem]:
    name = context.root.get("name")
    if name and name.value in naming.RESERVED:
        message = f"name: the template would be {name.value}.yaml, which is another file"
        yield checks.FILE_NAME.at(name.mark, message, "give the cloud another name")


def _instance_names(role: Role, context: Context) -> Iterator[Problem]:
    # Instance i of R is R-i: only a role that is called so itself can clash with it.
    base, _, number = role.name.rpartition("-")
    other, nodes = context.roles.get(base), context.role_nodes
    if other is None or not all(
        is_known(nodes[name], "count", "addresses", "networks") for name in (base, role.name)
    ):
        return
    index = int(number) if number.isdecimal() else other.count
    if index < other.count and other.instance(index) == role.instance(0):
        message = f"an instance of role '{role.name}' has the name of one of '{base}'"
        yield checks.INSTANCE_NAMES.at(role.mark, message, "rename one of them")


def _resource_names(context: Context) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for role in context.roles.values():
        for resource in naming.resource_names(role):
            other = owners.setdefault(resource, role.name)
            if other != role.name:
                message = f"roles '{other}' and '{role.name}' both have a resource {resource}"
                yield checks.RESOURCE_NAMES.at(role.mark, message, "rename one of them")
                break


def _parameter_names(context: Context) -> Iterator[Problem]:
    """Yield the secrets whose parameter is that of another secret, or of a role."""
    owners = {naming.KEY_PARAMETER: "the key pair"}
    for name, mark in _secrets(context):
        parameter = naming.secret_parameter(name)
        other = owners.setdefault(parameter, f"the secret {name}")
        if other != f"the secret {name}":
            message = f"the secret {name} and {other} have the same parameter, {parameter}"
            yield checks.PARAMETER_NAMES.at(mark, message, "rename one of them")
    for role in context.roles.values():
        for parameter in naming.parameter_names(role):
            if parameter in owners:
                message = f"role '{role.name}' and {owners[parameter]} have a parameter {parameter}"
                yield checks.PARAMETER_NAMES.at(role.mark, message, "rename one of them")


def _secrets(context: Context) -> Iterator[tuple[str, Mark]]:
    for contract in context.contracts.by_name.values():
        places = contract.node.get("secrets")
        for name in contract.secrets:
            yield name, places.keys.get(name, contract.node.mark) if places else contract.node.mark
