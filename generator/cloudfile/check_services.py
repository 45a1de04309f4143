# SPDX-License-Identifier: Apache-2.0
"""Whether the services of a cloud file work together: needs, limits, required settings."""

from collections import Counter
from collections.abc import Iterable, Iterator

from altostratus.yamlfile.problems import Problem, Report, alike
from generator.cloudfile import checks, services
from generator.cloudfile.context import Context, is_known, place
from generator.cloudfile.model import Role
from generator.contracts.model import Contracts


def check(context: Context) -> Iterator[Problem]:
    """Yield what does not fit between the services of the roles of ``context``."""
    for role in context.roles.values():
        yield from _presence(role, context)
        yield from _required_settings(role, context)
    yield from _shared_settings(context)
    yield from _needs_and_limits(context)


def _presence(role: Role, context: Context) -> Iterator[Problem]:
    listed = context.role_nodes[role.name].get("services")
    if role.services or listed is None or services.possible(listed, context.contracts):
        return
    if any(str(item.value).startswith("-") for item in listed.items):
        message = f"services: nothing is left for '{role.name}'"
        hint = "name a service, or remove the role"
        yield checks.NO_SERVICE_LEFT.at(listed.mark, message, hint)


def _required_settings(role: Role, context: Context) -> Iterator[Problem]:
    root, node = context.root, context.role_nodes[role.name]
    if not is_known(node, "config") or not is_known(root, "config"):
        return
    given = [*services.words(node.get("config")), *services.words(root.get("config"))]
    for contract in services.closure(role.services, context.contracts):
        for key in contract.keys.values():
            if key.required and key.name not in role.config and not alike(key.name, given):
                message = f"'{key.name}' of {contract.name} must be given"
                hint = f"{key.description}; add it to 'config' of the role"
                yield checks.MISSING_SETTING.at(place(node, "config"), message, hint)


def _shared_settings(context: Context) -> Iterator[Problem]:
    config, roles = context.root.get("config"), context.root.get("roles")
    if not config or not config.fields or not roles or roles.lost:
        return
    allowed = {
        key
        for role in context.roles.values()
        for key in services.allowed_keys(
            context.role_nodes[role.name], role.services, context.contracts
        )
    }
    report = Report()
    services.overrides(config, allowed, context.contracts, report)
    yield from report.problems


def _needs_and_limits(context: Context) -> Iterator[Problem]:
    own = _instances(context.roles.values())
    joined = context.joined.roles.values() if context.joined else ()
    instances = own + _instances(joined)
    single = services.single(own.keys(), context.contracts)
    provided = instances.keys() | _possible(context)
    for role in context.roles.values():
        items = context.role_nodes[role.name].get("services") or context.root
        marks = {item.value: item.mark for item in items.items}
        for service in role.services:
            mark = marks.get(service, items.mark)
            for need in _needs(service, context.contracts):
                if need not in provided:
                    message = f"{service} needs {need}, which no role has"
                    hint = f"add {need} to the services of a role"
                    yield checks.UNMET_NEED.at(mark, message, hint)
            most = context.contracts.by_name[service].max
            if most is not None and instances[service] > most:
                count = instances[service]
                message = f"{service}: {count} instances where at most {most} are allowed"
                hint = "make 'count' smaller or take it out of other roles"
                yield checks.TOO_MANY_INSTANCES.at(mark, message, hint)
            elif service in single and own[service] > 1:
                message = (
                    f"{service}: {own[service]} instances, of which only the first would be used"
                )
                hint = (
                    f"others reach {service} at one address, and there are no clusters of it yet: "
                    "make 'count' 1, in one role"
                )
                yield checks.UNUSED_INSTANCES.at(mark, message, hint)


def _instances(roles: Iterable[Role]) -> Counter[str]:
    """Return the number of instances of each service."""
    found: Counter[str] = Counter()
    for role in roles:
        found.update(dict.fromkeys(role.services, role.count))
    return found


def _possible(context: Context) -> frozenset[str]:
    """Return the services that roles may have as well, hidden by mistakes."""
    root, contracts = context.root, context.contracts
    roles, join = root.get("roles"), root.get("join")
    is_hidden = not roles or roles.lost or not is_known(root, "join")
    listed = [node.get("services") for node in context.role_nodes.values()]
    if is_hidden or (join and not context.joined) or None in listed:
        return frozenset(contracts.services)
    return frozenset(name for one in listed if one for name in services.possible(one, contracts))


def _needs(service: str, contracts: Contracts) -> list[str]:
    return sorted({need for one in services.closure([service], contracts) for need in one.needs})
