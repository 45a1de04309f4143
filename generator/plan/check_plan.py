# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud can be as its plan has it: what follows from contracts and settings together.

Every address that the metadata hold must exist, and nova-compute processes must not get in each
other's way. The resolver of these is the one that runs inside the instances
(``novadrivers.processes``), so that what would fail there fails here.
"""

from collections.abc import Sequence
from typing import Any

from altostratus.yamlfile.problems import Mark, Report
from generator.cloudfile.model import Role
from generator.contracts import references
from generator.contracts.references import ADDRESSES, Reference, Text
from generator.plan.metadata import nested, replaced
from generator.plan.resolve import Plan
from novadrivers import processes


def check(plan: Plan) -> None:
    """Raise InvalidInputError with all that is impossible about ``plan``.

    nova-compute processes must differ in host, state path and lock path on a node, and in the cloud
    in their hosts.
    """
    report = Report()
    hosts: dict[str, str] = {}
    for role in plan.cloud.roles.values():
        for key, value in plan.metadata[role.name].items():
            for reference in references.references(value):
                _check_reference(reference, key, role, plan, report)
        _check_processes(role, plan, hosts, report)
    report.raise_if_any()


def _check_reference(
    reference: Reference, key: str, role: Role, plan: Plan, report: Report
) -> None:
    mark, what = role.marks.get(key, role.mark), f"role '{role.name}': {key}"
    if reference.kind in ADDRESSES and not plan.providers(reference.name):
        message = f"{what} is the address of {reference.name}, which no role has"
        report.add(mark, message, f"add {reference.name} to the services of a role")
    network = reference.name.removesuffix(".address")
    if reference.kind == "self" and network != reference.name and network not in role.networks:
        message = f"{what} is its address on {network}, which it is not on"
        report.add(mark, message, f"add {network} to the networks of the role")


def _check_processes(role: Role, plan: Plan, hosts: dict[str, str], report: Report) -> None:
    """Check those of all instances of ``role``; ``hosts`` are the owners of the names so far."""
    clashes: set[str] = set()
    for index in range(role.count):
        name = role.instance(index)
        try:
            found = processes.processes(_metadata(plan, role, name))
        except processes.MetadataError as error:
            for one in error.problems:
                hint = "give them other values in 'config' of the role"
                mark = _setting_mark(role, one.keys)
                report.add(mark, f"role '{role.name}': {one.message}", hint)
            return  # it is the same for the others
        for process in found:
            owner = f"{process.namespace} of {name}"
            other = hosts.setdefault(process.host, owner)
            if other != owner and process.namespace not in clashes:
                clashes.add(process.namespace)
                key = f"{process.namespace}.compute_hostname"
                message = f"{other} and {owner} have the same host, {process.host}"
                hint = f"leave {key} to its default"
                mark = role.marks.get(key, role.mark)
                report.add(mark, f"role '{role.name}': {message}", hint)


def _setting_mark(role: Role, keys: Sequence[str]) -> Mark:
    """Return the place of the first setting that is given, or of its namespace; else the role's."""
    namespaces = {key.partition(".")[0] for key in keys}
    given = [role.marks[key] for key in keys if key in role.marks]
    near = [mark for key, mark in role.marks.items() if key.partition(".")[0] in namespaces]
    return min(given or near, default=role.mark)


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
