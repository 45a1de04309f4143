# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud can be as its plan has it: what follows from contracts and settings together.

Every address that the metadata hold must exist, and nova-compute processes must not get in each
other's way. The resolver of these is the one that runs inside the instances
(``novadrivers.processes``), so that what would fail there fails here.
"""

import re
from typing import Any

from generator import references
from generator.cloud import Role
from generator.metadata import nested, replaced
from generator.problems import Mark, Report
from generator.references import ADDRESSES, Reference, Text
from generator.resolve import Plan
from novadrivers import processes

# What the resolver calls the settings that must differ.
_LEAVES = {"host": "compute_hostname", "state path": "state_path", "lock path": "lock_path"}


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
            for line in str(error).splitlines():
                hint = "give them other values in 'config' of the role"
                report.add(_setting_mark(role, line), f"role '{role.name}': {line}", hint)
            return  # it is the same for the others
        for one in found:
            owner = f"{one.namespace} of {name}"
            other = hosts.setdefault(one.host, owner)
            if other != owner and one.namespace not in clashes:
                clashes.add(one.namespace)
                key = f"{one.namespace}.compute_hostname"
                message = f"{other} and {owner} have the same host, {one.host}"
                hint = f"leave {key} to its default"
                mark = role.marks.get(key, role.mark)
                report.add(mark, f"role '{role.name}': {message}", hint)


def _setting_mark(role: Role, message: str) -> Mark:
    """Return the place of the setting that ``message`` is about, the role's if none is given."""
    namespaces = set(re.findall(r"nova(?:-[a-z]+)?", message))
    leaves = [leaf for what, leaf in _LEAVES.items() if f"the same {what}," in message]
    given = [
        (not any(leaf in key for leaf in leaves), mark)
        for key, mark in role.marks.items()
        if key.partition(".")[0] in namespaces
    ]
    return min(given)[1] if given else role.mark


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
