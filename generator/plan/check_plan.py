# SPDX-License-Identifier: Apache-2.0
"""Whether a cloud can be deployed as planned: what follows from contracts and settings together.

Every address in the metadata must exist, and nova-compute processes must not get in each other's
way. These are resolved by the code that runs inside the instances (``novadrivers.processes``), so
that what would fail there fails here.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from altostratus.yamlfile.problems import Mark, Problem, Report
from generator.cloudfile.model import Role
from generator.contracts import references
from generator.contracts.references import ADDRESSES, Reference, Text
from generator.plan import checks
from generator.plan.metadata import nested, replaced
from generator.plan.model import Plan
from novadrivers import processes


def check(plan: Plan) -> None:
    """Raise InvalidInputError with all that is impossible about ``plan``.

    nova-compute processes must differ in host, state path and lock path on a node, and in the cloud
    in their hosts.
    """
    report = Report()
    report.problems += _addresses(plan)
    report.problems += _processes(plan)
    report.problems += _given_secrets(plan)
    report.raise_if_any()


def _given_secrets(plan: Plan) -> Iterator[Problem]:
    for role in plan.cloud.roles.values():
        for key, mark in role.marks.items():
            name = plan.contracts.keys[key].only_secret
            if name in plan.inherited:
                message = f"role '{role.name}': {key} is a secret of the joined cloud"
                yield checks.SECRET_TWICE.at(mark, message, "change it in the file of that cloud")
            elif name and role.secrets[name] != plan.given.get(name, role.secrets[name]):
                message = f"role '{role.name}': {key} has another value in another role"
                hint = "give it once, in 'config' of the whole file"
                yield checks.SECRET_TWICE.at(mark, message, hint)


def _addresses(plan: Plan) -> Iterator[Problem]:
    for role in plan.cloud.roles.values():
        for key, value in plan.metadata[role.name].items():
            for reference in references.references(value):
                yield from _address(reference, key, role, plan)


def _address(reference: Reference, key: str, role: Role, plan: Plan) -> Iterator[Problem]:
    mark, what = role.marks.get(key, role.mark), f"role '{role.name}': {key}"
    if reference.kind in ADDRESSES and not plan.providers(reference.name):
        message = f"{what} needs the address of {reference.name}, which no role has"
        hint = f"add {reference.name} to the services of a role"
        yield checks.NO_SUCH_ADDRESS.at(mark, message, hint)
    network = reference.name.removesuffix(".address")
    if reference.kind == "self" and network != reference.name and network not in role.networks:
        message = f"{what} needs an address on {network}, which the role is not on"
        hint = f"add {network} to the networks of the role"
        yield checks.NOT_ON_NETWORK.at(mark, message, hint)


def _processes(plan: Plan) -> Iterator[Problem]:
    owners: dict[str, str] = {}
    for role in plan.cloud.roles.values():
        clashes: set[str] = set()
        for index in range(role.count):
            name = role.instance(index)
            try:
                found = processes.processes(_metadata(plan, role, name))
            except processes.MetadataError as error:
                yield from _settings(role, error)
                break  # it is the same for the others
            for process in found:
                owner = f"{process.namespace} of {name}"
                other = owners.setdefault(process.host, owner)
                if other != owner and process.namespace not in clashes:
                    clashes.add(process.namespace)
                    yield _same_host(role, process, (other, owner))


def _settings(role: Role, error: processes.MetadataError) -> Iterator[Problem]:
    for one in error.problems:
        mark = _setting_mark(role, one.keys)
        hint = "give them other values in 'config' of the role"
        yield checks.COMPUTE_SETTINGS.at(mark, f"role '{role.name}': {one.message}", hint)


def _same_host(role: Role, process: processes.Process, owners: tuple[str, str]) -> Problem:
    key = f"{process.namespace}.compute_hostname"
    both = " and ".join(owners)
    message = f"role '{role.name}': {both} have the same host, {process.host}"
    mark = role.marks.get(key, role.mark)
    return checks.COMPUTE_HOST.at(mark, message, f"leave {key} to its default")


def _setting_mark(role: Role, keys: Sequence[str]) -> Mark:
    """Return the place of the first setting that is given, or of its namespace; else the role's."""
    namespaces = {key.partition(".")[0] for key in keys}
    given = [role.marks[key] for key in keys if key in role.marks]
    near = [mark for key, mark in role.marks.items() if key.partition(".")[0] in namespaces]
    return min(given or near, default=role.mark)


def _metadata(plan: Plan, role: Role, name: str) -> dict[str, Any]:
    """Return Nova's part of the metadata of an instance; what is not known yet stays symbolic."""

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
