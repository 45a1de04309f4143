# SPDX-License-Identifier: Apache-2.0
"""Keys that services take from a base contract: ``extends: nova-compute``.

The base writes them once, with names that begin with ``{service}.``. Each service that extends it
gets them under its own name, and may override any field of theirs.
"""

from collections.abc import Mapping
from dataclasses import replace

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report, nearest

PLACEHOLDER = "{service}"
"""Stands for the name of the service that extends the contract, in names and values of keys."""

SOURCES = ("value", "default", "required")
"""The fields of a key's entry that say where its value comes from; it has one of them."""


def extended(node: Node, nodes: Mapping[str, Node], report: Report) -> Node:
    """Return the contract ``node`` with the keys that it inherits.

    ``nodes`` are all contracts by element. An unknown base goes to ``report``.
    """
    name, service, own = node.get("extends"), node.get("service"), node.get("keys")
    if name is None or service is None or (own and not isinstance(own.value, dict)):
        return node
    base = nodes.get(str(name.value))
    if base is None or (flag := base.get("base")) is None or flag.value is not True:
        bases = [other for other, each in nodes.items() if each.get("base")]
        hint = nearest(str(name.value), bases)
        report.add(name.mark, f"extends: there is no base contract '{name.value}'", hint)
        return node
    own = own or Node(node.mark, {})
    keys = _merged(base.get("keys") or Node(base.mark, {}), own, str(service.value))
    return replace(node, value={**node.fields, "keys": keys})


def is_inherited(key: str) -> bool:
    """Return whether ``key`` of a base contract is for the services that extend it."""
    return key.startswith(f"{PLACEHOLDER}.")


def _merged(base: Node, own: Node, service: str) -> Node:
    """Return the keys of a base that are for ``service``, overridden and completed by its own."""
    fields, marks = {}, {}
    for name, entry in base.fields.items():
        if is_inherited(name):
            key = name.replace(PLACEHOLDER, service)
            fields[key] = _overridden(_named(entry, service), own.get(key))
            marks[key] = base.keys[name]
    return replace(own, value={**own.fields, **fields}, keys={**marks, **own.keys})


def _overridden(entry: Node, override: Node | None) -> Node:
    if override is None:
        return entry
    if not isinstance(override.value, dict) or not isinstance(entry.value, dict):
        return override  # the schema refuses one of them
    kept = dict(entry.fields)
    if any(word in override.fields for word in SOURCES):
        kept = {word: field for word, field in kept.items() if word not in SOURCES}
    fields = {**kept, **override.fields}
    return replace(override, value=fields, keys={**entry.keys, **override.keys})


def _named(node: Node, service: str) -> Node:
    """Return ``node`` with the name of the service in all its strings."""
    if isinstance(node.value, str):
        return replace(node, value=node.value.replace(PLACEHOLDER, service))
    if isinstance(node.value, list):
        return replace(node, value=[_named(item, service) for item in node.items])
    if isinstance(node.value, dict):
        fields = {word: _named(field, service) for word, field in node.fields.items()}
        return replace(node, value=fields)
    return node
