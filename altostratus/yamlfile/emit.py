# SPDX-License-Identifier: Apache-2.0
"""Writes YAML as a careful person would: comments, blank lines, short things on one line.

Written strings are read back as the same strings by every YAML 1.1 and 1.2 reader: whatever PyYAML
takes for a number, a date or a boolean is quoted.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

WIDTH = 100

# Begins with a letter, / or <, and holds nothing that is special inside a flow collection.
_PLAIN = re.compile(r"[A-Za-z/<]([A-Za-z0-9_./<>@$%()+*;=-]|:(?=[^\s])|[ ](?=[^ #:]))*(?<![ :])")
_NUMERIC = re.compile(r"[0-9]+(\.[0-9]+){3}(/[0-9]+)?")
_RESOLVER = yaml.resolver.Resolver()


@dataclass(frozen=True, slots=True)
class Block:
    """A value with an empty line and a comment (may be empty) before its key."""

    value: Any
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Flow:
    """A collection that is written on one line."""

    value: Any


def document(content: Mapping[str, Any], header: str) -> str:
    """Return ``content`` as the text of a YAML file that begins with the comment ``header``."""
    lines = [f"# {line}".rstrip() for line in header.splitlines()]
    return "\n".join([*lines, *_mapping(content, 0), ""])


@lru_cache(maxsize=4096, typed=True)
def scalar(value: None | bool | int | float | str) -> str:
    """Return a scalar as YAML, without quotes where every reader takes it for the same string."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _NUMERIC.fullmatch(value) or (_PLAIN.fullmatch(value) and _is_string(value)):
        return value
    # JSON's escapes are YAML's too, but YAML has no surrogate pairs and forbids control characters.
    return "".join(
        character if character.isprintable() else f"\\U{ord(character):08x}"
        for character in json.dumps(value, ensure_ascii=False)
    )


def _is_string(value: str) -> bool:
    tag = _RESOLVER.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    return bool(tag == "tag:yaml.org,2002:str")


def flow(value: Any) -> str:
    """Return ``value`` in flow style, on one line."""
    if isinstance(value, Flow | Block):
        return flow(value.value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(item)}" for key, item in value.items()) + "}"
    if _is_list(value):
        return "[" + ", ".join(flow(item) for item in value) + "]"
    return scalar(value)


def _is_list(value: Any) -> bool:
    # Not Sequence: the abstract classes make it a third slower.
    return isinstance(value, list | tuple)


def _inline(value: Any, room: int) -> str | None:
    """Return ``value`` on one line if it is one that people write so and fits into ``room``."""
    if isinstance(value, Flow):
        return flow(value)
    if isinstance(value, dict):
        function = len(value) == 1 and next(iter(value)).startswith("get_")
        if value and not function:
            return None
    elif _is_list(value):
        if any(isinstance(item, dict) or _is_list(item) for item in value):
            return None
    else:
        return scalar(value)
    text = flow(value)
    # An empty one has no lines of its own: after a long key, too, it is on the key's.
    return text if not value or len(text) <= room else None


def _lines(value: Any, indent: int) -> Iterator[str]:
    return _mapping(value, indent) if isinstance(value, dict) else _list(value, indent)


def _mapping(mapping: Mapping[str, Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for number, (key, entry) in enumerate(mapping.items()):
        value = entry
        if isinstance(entry, Block):
            value = entry.value
            if number or not indent:
                yield ""
            yield from (f"{pad}# {line}".rstrip() for line in entry.comment.splitlines())
        name = scalar(key)
        inline = _inline(value, WIDTH - indent - len(name) - 2)
        if inline is not None:
            yield f"{pad}{name}: {inline}"
        else:
            yield f"{pad}{name}:"
            yield from _lines(value, indent + 2)


def _list(items: Sequence[Any], indent: int) -> Iterator[str]:
    pad = " " * indent
    for item in items:
        inline = _inline(item, WIDTH - indent - 2)
        if inline is not None:
            yield f"{pad}- {inline}"
            continue
        first, *rest = _lines(item, indent + 2)
        yield f"{pad}- {first.lstrip()}"
        yield from rest
