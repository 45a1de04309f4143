# SPDX-License-Identifier: Apache-2.0
"""Reads service contracts, ``elements/<service>/service.yaml``: all that is known of a service.

A contract says what the service needs, which metadata keys it owns and where their values come
from, which secrets it has and what it contributes to others. ``docs/services.md`` explains every
field; SERVICE_SCHEMA defines them.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from altostratus.yamlfile import document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import InvalidInputError, Mark, Report
from generator.contracts import check_contracts, checks, references
from generator.contracts.grammar import GROUPS, KEY_FORM, SERVICE_SCHEMA
from generator.contracts.inheritance import SOURCES, extended, is_inherited
from generator.contracts.model import Contract, Contracts, Endpoint, Health, Key, Listener
from imagebuild import elementspath
from imagebuild.elementfiles import CONTRACT
from imagebuild.elements import search_path


def installed() -> Contracts:
    """Return the contracts of the user's elements (``ELEMENTS_PATH``) and ours.

    Raises as ``load``, and InputError if ``ELEMENTS_PATH`` names what cannot be searched.
    """
    return load(*search_path())


def load(*directories: Path) -> Contracts:
    """Read the contracts of the elements in ``directories``, first match first; see ``read``."""
    return read(elementspath.folders(directories))


def read(folders: Mapping[str, Path]) -> Contracts:
    """Read the contracts of the elements ``folders`` (by name) and check them together.

    Raises InvalidInputError with every problem of every contract. What violates the schema is left
    out of all other checks.
    """
    report = Report()
    nodes = _nodes(folders, report)
    if len(nodes) < sum(map(_has_contract, folders.values())):
        # What the others need of a contract that cannot be read is not known.
        report.raise_if_any()
    contracts: dict[str, Contract] = {}
    for element, written in nodes.items():
        node = extended(written, nodes, report)
        schema.check(node, SERVICE_SCHEMA, report, CONTRACT)
        if (sound := schema.sound(node, SERVICE_SCHEMA)) is not None:
            contracts[element] = _contract(sound, element, folders, report)
    loaded = Contracts(
        contracts,
        {name: key for one in contracts.values() for name, key in one.keys.items()},
        {name: kind for one in contracts.values() for name, kind in one.secrets.items()},
        _damaged(nodes, contracts),
    )
    report.problems += check_contracts.check(loaded)
    report.raise_if_any()
    return loaded


def element_closure(element: str, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Return the names of ``element`` and of all its dependencies among ``folders``, by name.

    Dependencies come before what depends on them.
    """
    found: dict[str, None] = {}

    def visit(name: str, seen: frozenset[str]) -> None:
        if name in found or name in seen or name not in folders:
            return
        for dependency, _ in sorted(element_deps(folders[name])):
            visit(dependency, seen | {name})
        found[name] = None

    visit(element, frozenset())
    return tuple(found)


def element_deps(folder: Path) -> list[tuple[str, int]]:
    """Return the elements that the one in ``folder`` lists in ``element-deps``, with the lines."""
    deps = folder / "element-deps"
    text = deps.read_text(encoding="utf-8", errors="replace") if deps.is_file() else ""
    lines = enumerate((line.strip() for line in text.splitlines()), start=1)
    return [(line, number) for number, line in lines if line and not line.startswith("#")]


def _has_contract(folder: Path) -> bool:
    # A link that leads nowhere is there, too.
    return (folder / CONTRACT).exists() or (folder / CONTRACT).is_symlink()


def _nodes(folders: Mapping[str, Path], report: Report) -> dict[str, Node]:
    """Return the trees of the contracts by element; those that cannot be read go to ``report``."""
    found: dict[str, Node] = {}
    for element, folder in folders.items():
        path = folder / CONTRACT
        if not _has_contract(folder):
            continue
        try:
            if not path.is_file():
                kind = "a directory" if path.is_dir() else "not a regular file"
                hint = "write the contract there, or remove it"
                report.add(Mark(str(path), 1, 1), f"not a file: {kind}", hint)
            else:
                found[element] = document.load(path, report)
        except InvalidInputError as error:
            report.problems += error.problems
        except OSError as error:
            message, hint = f"{error.strerror}", "make it readable"
            report.add(Mark(str(path), 1, 1), message, hint)
    return found


def _damaged(nodes: Mapping[str, Node], contracts: Mapping[str, Contract]) -> frozenset[str]:
    """Return the elements whose contracts have lost something, and what they write of their own."""
    names: set[str] = set()
    for element, node in nodes.items():
        contract = contracts.get(element)
        if contract is None or _has_lost(contract.node):
            written = (node.get(field) for field in ("keys", "secrets"))
            names |= {element, *(name for one in written if one for name in one.fields)}
    return frozenset(names)


def _has_lost(node: Node) -> bool:
    return bool(node.lost) or any(_has_lost(one) for one in (*node.items, *node.fields.values()))


def _contract(node: Node, element: str, folders: Mapping[str, Path], report: Report) -> Contract:
    """Return the contract of the sound tree ``node``; what its schema requires may be lost."""
    plain: dict[str, Any] = node.plain()
    name = plain.get("service", element)
    if name != element:
        message = f"service '{name}' in the element '{element}'"
        hint = f"write 'service: {element}'"
        report.add(node.fields["service"].mark, message, hint, checks.SERVICE_NAME)
    if element in GROUPS and "service" in node.fields:
        message = f"'{element}' is a group of services, which roles could not list any more"
        hint = "give service and element another name"
        report.add(node.fields["service"].mark, message, hint, checks.GROUP_NAME)
    entry = node.get("endpoint")
    given = entry and not entry.lost
    endpoint = Endpoint(**{"path": "", **plain["endpoint"]}) if given else None
    closure = element_closure(element, folders)
    return Contract(
        name=name,
        summary=plain.get("summary", ""),
        group=plain.get("group"),
        base=plain.get("base", False),
        needs=tuple(plain.get("needs", ())),
        max=plain.get("max"),
        clustered=plain.get("clustered", False),
        endpoint=endpoint,
        units=tuple(plain.get("units", ())),
        health=tuple(Health(**{"path": "/", **one}) for one in plain.get("health", ())),
        listens=(
            *([Listener(endpoint.port, "public")] if endpoint else ()),
            *(Listener(**one) for one in plain.get("listens", ())),
        ),
        contributes={
            key: tuple(references.parse(item) for item in items)
            for key, items in plain.get("contributes", {}).items()
        },
        secrets=plain.get("secrets", {}),
        reads=tuple(plain.get("reads", ())),
        keys={key.name: key for key in _keys(node, name, report)},
        closure=tuple(one for one in closure if _has_contract(folders[one])),
        node=node,
    )


def _keys(node: Node, contract: str, report: Report) -> Iterator[Key]:
    keys = node.get("keys")
    for name, field in (keys.fields if keys else {}).items():
        usable = _without_bad_patterns(field, report)
        if is_inherited(name) or "type" not in field.fields:
            continue
        plain = usable.plain()
        sources = [word for word in SOURCES if word in plain]
        if len(sources) != 1 and not field.lost:
            given = " and ".join(sources) or "none"
            message = f"{name}: one of value, default, required: true; not {given}"
            hint = "keep one of them" if sources else "add one"
            report.add(field.mark, message, hint, checks.VALUE_SOURCE)
        source = field.get("value") or field.get("default")
        form = {word: plain[word] for word in plain if word in KEY_FORM}
        if "secret" in plain:
            form["writeOnly"] = plain["secret"]
        if source:
            # A reference can become any string: only a text without one can be checked here.
            value = references.parse(source.plain())
            if not any(references.references(value)):
                schema.check(source, form, report, name)
            report.problems += check_contracts.malformed(name, value, source.mark)
        yield Key(
            name=name,
            contract=contract,
            schema=form,
            value=references.parse(source.plain()) if source else None,
            required="required" in plain,
            secret=plain.get("secret", False),
            description=plain.get("description", ""),
            mark=field.mark,
        )


def _without_bad_patterns(form: Node, report: Report) -> Node:
    """Return the schema ``form`` without what is no regular expression, which goes to ``report``.

    Only schemas are looked into: a ``pattern`` among the values of ``enum`` is none.
    """
    fields = dict(form.fields)
    pattern = fields.get("pattern")
    if pattern is not None and isinstance(pattern.value, str):
        try:
            re.compile(pattern.value)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"pattern: '{pattern.value}' is no regular expression: {error}"
            hint = "Python and ECMA 262 must both read it"
            report.add(pattern.mark, message, hint, checks.BAD_PATTERN)
            del fields["pattern"]
    for word in ("items", "propertyNames", "additionalProperties"):
        if word in fields and isinstance(fields[word].value, dict):
            fields[word] = _without_bad_patterns(fields[word], report)
    if "properties" in fields:
        inner = fields["properties"]
        kept = {key: _without_bad_patterns(one, report) for key, one in inner.fields.items()}
        fields["properties"] = replace(inner, value=kept)
    return replace(form, value=fields)
