# SPDX-License-Identifier: Apache-2.0
"""Reads service contracts, ``elements/<service>/service.yaml``: all that is known of a service.

A contract says what the service needs, which metadata keys it owns and where their values come
from, which secrets it has and what it contributes to others. ``docs/services.md`` explains every
field; SERVICE_SCHEMA defines them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from altostratus.yamlfile import document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from generator.contracts import check_contracts, checks, references
from generator.contracts.grammar import KEY_FORM, SERVICE_SCHEMA
from generator.contracts.inheritance import SOURCES, extended, is_inherited
from generator.contracts.model import Contract, Contracts, Endpoint, Health, Key, Listener


def load(elements: Path) -> Contracts:
    """Read the contracts of all elements in the directory ``elements`` and check them together.

    Raises InvalidInputError with every problem of every contract.
    """
    report = Report()
    paths = sorted(elements.glob("*/service.yaml"))
    nodes = {path.parent.name: document.load(path, report) for path in paths}
    contracts: dict[str, Contract] = {}
    for element, written in nodes.items():
        node = extended(written, nodes, report)
        if schema.check(node, SERVICE_SCHEMA, report, "service.yaml"):
            contract = _contract(node, elements / element, report)
            contracts[contract.name] = contract
    report.raise_if_any()
    loaded = Contracts(
        contracts,
        {name: key for one in contracts.values() for name, key in one.keys.items()},
        {name: kind for one in contracts.values() for name, kind in one.secrets.items()},
    )
    report.problems += check_contracts.check(loaded)
    report.raise_if_any()
    return loaded


def element_closure(element: Path) -> tuple[str, ...]:
    """Return the names of the element in the directory ``element`` and of all its dependencies.

    Only elements of the same directory count: diskimage-builder's own have no contracts.
    Dependencies come before what depends on them.
    """
    found: dict[str, None] = {}

    def visit(name: str, seen: frozenset[str]) -> None:
        folder = element.parent / name
        if name in found or name in seen or not folder.is_dir():
            return
        deps = folder / "element-deps"
        lines = deps.read_text(encoding="utf-8").splitlines() if deps.is_file() else []
        for dependency in sorted(line.strip() for line in lines):
            if dependency and not dependency.startswith("#"):
                visit(dependency, seen | {name})
        found[name] = None

    visit(element.name, frozenset())
    return tuple(found)


def _contract(node: Node, folder: Path, report: Report) -> Contract:
    plain: dict[str, Any] = node.plain()
    name = plain["service"]
    if name != folder.name:
        message = f"service '{name}' in the element '{folder.name}'"
        hint = f"write 'service: {folder.name}'"
        report.add(node.fields["service"].mark, message, hint, checks.SERVICE_NAME)
    closure = element_closure(folder)
    endpoint = plain.get("endpoint")
    return Contract(
        name=name,
        summary=plain["summary"],
        group=plain.get("group"),
        base=plain.get("base", False),
        needs=tuple(plain.get("needs", ())),
        max=plain.get("max"),
        endpoint=Endpoint(**{"path": "", **endpoint}) if endpoint else None,
        units=tuple(plain.get("units", ())),
        health=tuple(Health(**{"path": "/", **one}) for one in plain.get("health", ())),
        listens=(
            *([Listener(endpoint["port"], "public")] if endpoint else ()),
            *(Listener(**one) for one in plain.get("listens", ())),
        ),
        contributes={
            key: tuple(references.parse(item) for item in items)
            for key, items in plain.get("contributes", {}).items()
        },
        secrets=plain.get("secrets", {}),
        reads=tuple(plain.get("reads", ())),
        keys={key.name: key for key in _keys(node, name, report)},
        closure=tuple(one for one in closure if (folder.parent / one / "service.yaml").is_file()),
        node=node,
    )


def _keys(node: Node, contract: str, report: Report) -> Iterator[Key]:
    keys = node.get("keys")
    for name, field in (keys.fields if keys else {}).items():
        if is_inherited(name):
            continue
        plain = field.plain()
        sources = [word for word in SOURCES if word in plain]
        if len(sources) != 1:
            given = " and ".join(sources) or "none"
            message = f"{name}: one of value, default, required: true; not {given}"
            hint = "keep one of them" if sources else "add one"
            report.add(field.mark, message, hint, checks.VALUE_SOURCE)
        source = field.get("value") or field.get("default")
        form = {word: plain[word] for word in plain if word in KEY_FORM}
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
            description=plain["description"],
            mark=field.mark,
        )
