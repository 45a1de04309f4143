# SPDX-License-Identifier: Apache-2.0
"""Reads a file of the user's with the place of every value: JSON if it is named so, else YAML.

Safe for any input. A YAML tree is built from the parser's events and not by PyYAML's composer,
which drops duplicate keys, and whose C version overflows the stack on deep nesting. Scalars follow
the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema), as editors with a JSON
Schema do: ``yes`` and ``on`` are strings, ``2021-04-16`` is no date and ``12:30`` no number.
"""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from altostratus.yamlfile import checks, jsonfile, tree
from altostratus.yamlfile.confidential import is_secret
from altostratus.yamlfile.problems import (
    ODD_SPACE,
    InvalidInputError,
    Mark,
    Problem,
    Report,
    space_name,
)
from altostratus.yamlfile.tree import MAX_DEPTH, MAX_NODES, Json, Node

__all__ = ["Json", "MERGE", "Node", "content", "load", "parse", "require"]

MERGE = "<<"
"""The key of YAML 1.1 that takes in another mapping; YAML 1.2 has none."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTANTS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
# At most 15 digits: what every JSON reader keeps exactly.
_INTEGER = re.compile(r"[-+]?[0-9]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,15}|[0-9]{1,15}(\.[0-9]{0,15})?)([eE][-+]?[0-9]{1,2})?")


def require(path: Path, hint: str) -> None:
    """Raise InputError with ``hint`` unless there is a regular file at ``path``."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise tree.unreadable(path, "no such file", hint) from None
    except OSError as error:
        raise tree.unreadable(path, str(error.strerror), hint) from error
    if not stat.S_ISREG(mode):
        kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise tree.unreadable(path, kind, hint)


def load(path: Path, report: Report, hint: str = "name a file of text") -> Node:
    """Return the tree of the file ``path``; duplicate keys and the like go to ``report``.

    A file that is named ``.json`` is JSON and nothing else, every other one is YAML. Raises
    InvalidInputError if it is not that or too large, InputError with ``hint`` if it cannot be read.
    """
    return parse(tree.read(path, hint), str(path), report)


def content(path: Path, hint: str = "name a file of text") -> Any:
    """Return what the file ``path`` holds, as ``json.loads`` would, with the limits of ``load``.

    For files that a command wrote: duplicate keys and the like are errors, too.
    """
    report = Report()
    node = load(path, report, hint)
    report.raise_if_any()
    return node.plain()


def parse(content: bytes, name: str, report: Report) -> Node:
    """Return the tree of the text ``content`` of the file called ``name``, as ``load``."""
    read = jsonfile.parse if name.lower().endswith(".json") else _parse_yaml
    return read(content, name, report)


def _parse_yaml(content: bytes, name: str, report: Report) -> Node:
    text = tree.decode(content, name)
    builder = _Builder(name, report)
    try:
        return builder.document(yaml.parse(text, Loader=_LOADER))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        mark = Mark(name, before.count("\n") + 1, len(before) - before.rfind("\n"))
        hint = "save the file as plain UTF-8 text"
        problem = checks.SYNTAX.at(mark, f"not YAML: {error.reason}", hint)
    except yaml.MarkedYAMLError as error:
        problem = _syntax_problem(error, text, name)
    raise InvalidInputError([*report.problems, problem]) from None


def _syntax_problem(error: yaml.MarkedYAMLError, text: str, name: str) -> Problem:
    place = error.problem_mark or error.context_mark
    line, column = (place.line, place.column) if place else (0, 0)
    lines = text.split("\n")
    if line >= len(lines) or (line == len(lines) - 1 and not lines[line]):
        # The parser noticed at the end of the file; the user sees the last line.
        line = max(len(text.rstrip("\n").split("\n")) - 1, 0)
        column = len(lines[line])
    indent = lines[line][: column + 1]
    hint = "look at indentation, colons, quotes and brackets, here and in the line before"
    if "\t" in indent:
        hint = "indent with spaces; YAML forbids tabs there"
    elif error.problem == "found invalid Unicode character escape code":
        # JSON writes a character beyond U+FFFF as two of these.
        hint = "write the character itself, or name the file .json if it is JSON"
    elif odd := _odd_space(lines, line):
        hint = odd
    words = [part for part in (error.problem, error.context) if part]
    mark = Mark(name, line + 1, column + 1)
    return checks.SYNTAX.at(mark, f"not YAML: {', '.join(words)}", hint)


def _odd_space(lines: list[str], last: int) -> str:
    """Return the hint about a space near line ``last`` (from 0) that YAML takes for text."""
    for number in range(last, max(last - 3, -1), -1):
        if found := ODD_SPACE.search(lines[number]):
            place = f"line {number + 1}, column {found.start() + 1}"
            return f"{place} has {space_name(found.group())}: put an ordinary space there"
    return ""


class _Builder:
    """Builds nodes from events; recursion is bounded by MAX_DEPTH."""

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self.report = report
        self.anchors: dict[str, Node] = {}
        # Whether what is being read is below the name of a secret.
        self.hidden = False

    def document(self, events: Iterator[Any]) -> Node:
        root: Node | None = None
        for event in events:
            if not isinstance(event, yaml.DocumentStartEvent):
                continue
            if root is not None:
                hint = "keep one for each file"
                self.report.add(self.mark(event), "a second document", hint, checks.DOCUMENTS)
                break
            root = self.node(next(events), events, 0)
        return root or Node(Mark(self.name, 1, 1), None)

    def mark(self, event: Any) -> Mark:
        return Mark(self.name, event.start_mark.line + 1, event.start_mark.column + 1)

    def node(self, event: Any, events: Iterator[Any], depth: int) -> Node:
        mark = self.mark(event)
        if isinstance(event, yaml.AliasEvent):
            return self.alias(str(event.anchor), mark)
        if depth > MAX_DEPTH:
            raise tree.too_deep(mark)
        if event.tag not in (None, "!"):
            shown = "a tag (!…)" if self.hidden else f"tag {event.tag}"
            hint = "put a text that begins with ! in quotes" if self.hidden else "remove it"
            self.report.add(mark, f"{shown} is not supported", hint, checks.TAG)
        if isinstance(event, yaml.ScalarEvent):
            node = Node(mark, _scalar(event.value) if event.implicit[0] else event.value)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(mark, events, depth)
        else:
            node = self.mapping(mark, events, depth)
        if node.size > MAX_NODES:
            raise tree.too_large(mark, "use fewer aliases, or split the file")
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def alias(self, anchor: str, mark: Mark) -> Node:
        # An anchor is known once its node is complete, so that no node can contain itself.
        node = self.anchors.get(anchor)
        if node is None:
            hint = f"write &{anchor} before a value further up, or the value itself here"
            message = f"alias *{anchor} has no complete anchor before it"
            if self.hidden:
                hint = "put a text that begins with * in quotes"
                message = "an alias (*…) has no complete anchor before it"
            self.report.add(mark, message, hint, checks.ALIAS)
            return Node(mark, None, lost=frozenset({anchor}))
        return replace(node, mark=mark)

    def sequence(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self.node(event, events, depth + 1))
        return Node(mark, items, size=1 + sum(item.size for item in items))

    def mapping(self, mark: Mark, events: Iterator[Any], depth: int) -> Node:
        fields: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        size, lost = 1, frozenset[str]()
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            key = self.node(event, events, depth + 1)
            outer, self.hidden = self.hidden, self.hidden or is_secret(_word(key, event))
            value = self.node(next(events), events, depth + 1)
            self.hidden = outer
            size += value.size
            if isinstance(key.value, list | dict):
                hint = "write 'KEY: VALUE'; quote a text that begins with [ or {"
                self.report.add(key.mark, "a key must be a word", hint, checks.COMPLEX_KEY)
                continue
            word = _word(key, event)
            if word == MERGE and getattr(event, "implicit", (False,))[0]:
                hint = "write the keys out; an alias (*NAME) can stand for a whole value"
                message = "merge keys (<<) are not supported"
                self.report.add(key.mark, message, hint, checks.MERGE_KEY)
                lost = frozenset({MERGE})
                continue
            if word in fields:
                self.report.add(
                    key.mark,
                    f"duplicate key '{word}'",
                    f"it is already given in line {keys[word].line}",
                    checks.DUPLICATE_KEY,
                )
                continue
            fields[word], keys[word] = value, key.mark
        return Node(mark, fields, keys, size, lost)


def _word(key: Node, event: Any) -> str:
    """Return the text of a key; ``on:`` or ``1:`` keeps what the user wrote."""
    return str(event.value if isinstance(event, yaml.ScalarEvent) else key.value)


def _scalar(text: str) -> None | bool | int | float | str:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
