# SPDX-License-Identifier: Apache-2.0
"""The services of a role, and the contracts and metadata keys that follow from them."""

from collections.abc import Collection, Iterable, Iterator

from altostratus.yamlfile import schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report, alike, nearest
from generator.cloudfile import checks, settings
from generator.cloudfile.model import Role
from generator.contracts import references
from generator.contracts.model import CATALOGUE, Contract, Contracts
from imagebuild import elementspath

# Unknown words that may be misspelt ones: each takes a millisecond.
_COMPARED = 100


def choose(node: Node, contracts: Contracts, report: Report) -> tuple[str, ...]:
    """Return the services that the list ``node`` names; it has services, groups and ``-name``."""
    chosen: dict[str, None] = {}
    unknown = possible(node, contracts)
    for item in node.items:
        word = str(item.value)
        name = word.removeprefix("-")
        members = contracts.groups.get(name, ()) if name not in contracts.services else (name,)
        if not members:
            _unknown(item, name, contracts, report)
        elif not word.startswith("-"):
            if len(members) == 1 and name in chosen:
                message, hint = f"services: '{name}' is already there", "name each service once"
                report.add(item.mark, message, hint, checks.SERVICE_TWICE)
            chosen.update(dict.fromkeys(members))
        else:
            if not (chosen.keys() | unknown) & set(members):
                message, hint = f"services: {word} removes nothing", "put it after a group"
                report.add(item.mark, message, hint, checks.NOTHING_REMOVED)
            for member in members:
                chosen.pop(member, None)
    return tuple(chosen)


def possible(node: Node, contracts: Contracts) -> frozenset[str]:
    """Return the services that misspelt words of the list ``node`` may stand for."""
    words = {str(item.value).removeprefix("-") for item in node.items} | node.lost
    wrong = words - contracts.services.keys() - contracts.groups.keys()
    if not wrong:
        return frozenset()
    known = [*contracts.services, *contracts.groups]
    meant = [one for word in sorted(wrong)[:_COMPARED] for one in alike(word.lower(), known)]
    return frozenset(name for one in meant for name in contracts.groups.get(one, (one,)))


def allowed_keys(role: Node, chosen: Iterable[str], contracts: Contracts) -> Collection[str]:
    """Return the keys for ``config`` of the role with the tree ``role`` and ``chosen`` services."""
    listed = role.get("services")
    if listed is None:
        return contracts.keys  # its services are not known
    return metadata_keys({*chosen, *possible(listed, contracts)}, contracts)


def words(config: Node | None, path: str = "") -> Iterator[str]:
    """Yield every dotted key in the tree ``config``, also those that no service has."""
    for word, value in config.fields.items() if config else ():
        key = f"{path}.{word}" if path else word
        yield key
        yield from words(value, key)


def _unknown(item: Node, name: str, contracts: Contracts, report: Report) -> None:
    base = contracts.by_name.get(name)
    if base:
        users = [one.name for one in contracts.services.values() if name in one.closure]
        hint = f"list what uses it: {', '.join(users)}"
        message = f"services: '{name}' is shared settings, not a service"
        report.add(item.mark, message, hint, checks.NOT_A_SERVICE)
    else:
        known = [*contracts.services, *contracts.groups]
        hint = nearest(name, known)
        if not alike(name, known):
            hint += f"; {elementspath.lost_hint()}"
        message = f"services: unknown service '{name}'"
        report.add(item.mark, message, hint, checks.UNKNOWN_SERVICE)


def closure(services: Iterable[str], contracts: Contracts) -> tuple[Contract, ...]:
    """Return the contracts of ``services`` and of the bases that they share, ordered by name."""
    names = {name for service in services for name in contracts.by_name[service].closure}
    return tuple(contracts.by_name[name] for name in sorted(names))


def single(services: Collection[str], contracts: Contracts) -> frozenset[str]:
    """Return which of ``services`` others reach at one address alone, that of one instance.

    More instances of these would do nothing, unless their contract says that they are clustered.
    """
    present = closure(services, contracts)
    values = [key.value for one in present for key in one.keys.values()]
    values += [item for one in present for items in one.contributes.values() for item in items]
    reached = {
        reference.name
        for value in values
        for reference in references.references(value)
        if reference.kind in ("address", "public")
    }
    if any(CATALOGUE in one.keys for one in present):
        reached |= {one.name for one in present if one.endpoint}
    return frozenset(
        one.name for one in present if one.name in reached & set(services) and not one.clustered
    )


def most_instances(role: Role, everything: Collection[str], contracts: Contracts) -> int | None:
    """Return how many instances ``role`` can have in a cloud with ``everything``; None: any number.

    Its services may be limited further by those of other roles.
    """
    limits = [contracts.by_name[name].max for name in role.services]
    limits += [1] if single(everything, contracts) & set(role.services) else []
    return min((limit for limit in limits if limit is not None), default=None)


def metadata_keys(services: Iterable[str], contracts: Contracts) -> tuple[str, ...]:
    """Return the keys that an instance with ``services`` gets: their own and those they read."""
    return tuple(
        sorted({key for one in closure(services, contracts) for key in (*one.keys, *one.reads)})
    )


def overrides(
    config: Node | None, allowed: Collection[str], contracts: Contracts, report: Report
) -> dict[str, Node]:
    """Return the values of the tree ``config`` by dotted key; each must be one of ``allowed``.

    ``{neutron: {ovs: {bridges: []}}}`` gives ``{"neutron.ovs.bridges": []}``.
    """
    found: dict[str, Node] = {}

    def visit(node: Node, path: str) -> None:
        for word, value in node.fields.items():
            key = f"{path}.{word}" if path else word
            if key in allowed:
                form = {
                    **contracts.keys[key].schema,
                    "description": contracts.keys[key].description,
                }
                if schema.check(value, form, report, key) and settings.check(
                    value, contracts.keys[key], contracts, report
                ):
                    found[key] = value
            elif value.fields and any(name.startswith(f"{key}.") for name in allowed):
                visit(value, key)
            else:
                message, hint = (
                    f"config: no service here has the key '{key}'",
                    nearest(key, allowed),
                )
                report.add(node.keys[word], message, hint, checks.UNKNOWN_SETTING)

    if config:
        visit(config, "")
    return found
