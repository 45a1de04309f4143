# SPDX-License-Identifier: Apache-2.0
"""Whether the nova-compute processes of a cloud can live together.

The resolver is the one that runs inside the instances (``novadrivers.processes``), so that what
would fail there fails here.
"""

from typing import Any

from generator.cloud import Role
from generator.metadata import nested, replaced
from generator.references import Text
from generator.resolve import Plan
from imagebuild.errors import InputError
from novadrivers import processes


def check(plan: Plan) -> None:
    """Raise InputError if two nova-compute processes of ``plan`` would get in each other's way.

    On a node they must differ in host, state path and lock path; in the cloud in their hosts.
    """
    hosts: dict[str, str] = {}
    for role in plan.cloud.roles.values():
        for index in range(role.count):
            name = role.instance(index)
            try:
                found = processes.processes(_metadata(plan, role, name))
            except processes.MetadataError as error:
                hint = "give them other values in 'config' of the role"
                raise InputError(f"role '{role.name}': {error}", hint) from error
            for one in found:
                owner = f"{one.namespace} of {name}"
                other = hosts.setdefault(one.host, owner)
                if other != owner:
                    message = f"{other} and {owner} have the same host, {one.host}"
                    hint = f"leave {one.namespace}.compute_hostname to its default"
                    raise InputError(f"role '{role.name}': {message}", hint)


def _metadata(plan: Plan, role: Role, name: str) -> dict[str, Any]:
    """Return what the metadata of an instance say of Nova; what is not known yet stays symbolic."""

    def text(value: Text) -> str:
        own = {
            ("self", "name"): name,
            ("self", "role"): role.name,
            ("self", "type"): role.hypervisor,
        }
        return "".join(
            part if isinstance(part, str) else own.get((part.kind, part.name), f"<{part.name}>")
            for part in value.parts
        )

    keys = {
        key: replaced(value, text)
        for key, value in plan.metadata[role.name].items()
        if key.partition(".")[0].startswith("nova")
    }
    return {"instance": {"name": name}, **nested(keys)}
