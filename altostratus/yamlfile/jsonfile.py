# SPDX-License-Identifier: Apache-2.0
"""Reads JSON (RFC 8259) with the place of every value and key, safe for any input.

The ``json`` module decodes strings, numbers and constants. Objects and arrays are read here,
because it gives no places, takes the last of duplicate keys and recurses as deep as the input does.

Values are those of ``json.loads``, with the exception that ``altostratus.yamlfile.document`` makes
too: a number that another reader of JSON could not hold stays the text that is in the file. These
are integers of more than MAX_DIGITS digits, and floats that overflow. A byte order mark is ignored,
as RFC 8259 allows.
"""

import json
import math
import re
from bisect import bisect_right

from altostratus.yamlfile import checks, tree
from altostratus.yamlfile.problems import ODD_SPACE, InvalidInputError, Mark, Report, space_name
from altostratus.yamlfile.tree import MAX_DEPTH, MAX_NODES, Node

MAX_DIGITS = 19
"""Digits of a 64-bit integer: a time in nanoseconds, as in manifest.json, has as many."""

_SPACE = re.compile(r"[ \t\n\r]*")
_SURROGATE = re.compile("[\ud800-\udfff]")

_COMMENT = "remove the comment: JSON has none"
_QUOTES = "write strings and keys in double quotes"
_NO_NUMBER = "JSON has no such number: write another one, or null"
_HINTS = {
    "#": _COMMENT,
    "/": _COMMENT,
    "'": _QUOTES,
    "True": "write true",
    "False": "write false",
    "None": "write null",
    "NaN": _NO_NUMBER,
    "Infinity": _NO_NUMBER,
    "-Infinity": _NO_NUMBER,
}
"""What to do about a word that JSON does not have, by its beginning."""
_HINTS |= dict.fromkeys("\u201c\u201d\u2018\u2019\u00ab\u00bb", _QUOTES)
_HINT = "look at quotes, commas, colons and brackets, here and in the line before"
_HINT_AT_START = "write JSON, or give a YAML file a name that ends in .yaml"
_HINT_IN_STRING = 'end strings with a double quote; write \\n, \\\\ and \\" inside them'


def parse(content: bytes, name: str, report: Report) -> Node:
    """Return the tree of the JSON text ``content`` of the file called ``name``.

    Duplicate keys and halves of surrogate pairs go to ``report``. Raises InvalidInputError if it is
    not UTF-8, not JSON, nested deeper than MAX_DEPTH or has more than MAX_NODES values.
    """
    reader = _Reader(tree.decode(content, name), name, report)
    try:
        return reader.document()
    except InvalidInputError as error:
        raise InvalidInputError([*report.problems, *error.problems]) from None


def _integer(digits: str) -> int | str:
    return int(digits) if len(digits.removeprefix("-")) <= MAX_DIGITS else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits


_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_float)


class _Reader:
    """Reads one text. Positions (``at``) are indices of characters; MAX_DEPTH bounds recursion."""

    def __init__(self, text: str, name: str, report: Report) -> None:
        self.text = text
        self.name = name
        self.report = report
        self.lines = [0, *(match.end() for match in re.finditer("\n", text))]
        self.count = 0

    def document(self) -> Node:
        node, at = self.value(self.skip(0), 0)
        if self.skip(at) != len(self.text):
            raise self.unexpected("the end of the file", self.skip(at))
        return node

    def value(self, at: int, depth: int) -> tuple[Node, int]:
        """Return the value at ``at`` and the position after it."""
        mark = self.mark(at)
        if depth > MAX_DEPTH:
            raise tree.too_deep(mark)
        self.count += 1
        if self.count > MAX_NODES:
            raise tree.too_large(mark, "split the file")
        if self.text.startswith("{", at):
            return self.object(mark, at, depth)
        if self.text.startswith("[", at):
            return self.array(mark, at, depth)
        return self.scalar(mark, at)

    def object(self, mark: Mark, at: int, depth: int) -> tuple[Node, int]:
        fields: dict[str, Node] = {}
        keys: dict[str, Mark] = {}
        size = 1
        more, at = self.opened(at, "}")
        while more:
            key, at = self.key(at)
            value, at = self.value(at, depth + 1)
            more, at = self.separated(at, "}")
            size += value.size
            word = str(key.value)
            if word in fields:
                hint = f"it is already given in line {keys[word].line}"
                message = f"duplicate key '{word}'"
                self.report.add(key.mark, message, hint, checks.DUPLICATE_KEY)
                continue
            fields[word], keys[word] = value, key.mark
        return Node(mark, fields, keys, size), at

    def array(self, mark: Mark, at: int, depth: int) -> tuple[Node, int]:
        items: list[Node] = []
        more, at = self.opened(at, "]")
        while more:
            item, at = self.value(at, depth + 1)
            items.append(item)
            more, at = self.separated(at, "]")
        return Node(mark, items, size=1 + sum(item.size for item in items)), at

    def opened(self, at: int, close: str) -> tuple[bool, int]:
        """Return whether something is in the collection that begins at ``at``, and where."""
        at = self.skip(at + 1)
        return (False, at + 1) if self.text.startswith(close, at) else (True, at)

    def separated(self, at: int, close: str) -> tuple[bool, int]:
        """Return whether another item follows, and the position after the comma or ``close``."""
        at = self.skip(at)
        if self.text.startswith(close, at):
            return False, at + 1
        if not self.text.startswith(",", at):
            raise self.unexpected(f"',' or '{close}'", at)
        return True, self.skip(at + 1)

    def key(self, at: int) -> tuple[Node, int]:
        if not self.text.startswith('"', at):
            raise self.unexpected("a key in double quotes", at)
        key, at = self.scalar(self.mark(at), at)
        at = self.skip(at)
        if not self.text.startswith(":", at):
            raise self.unexpected("':'", at)
        return key, self.skip(at + 1)

    def scalar(self, mark: Mark, at: int) -> tuple[Node, int]:
        try:
            value, end = _DECODER.raw_decode(self.text, at)
        except json.JSONDecodeError as error:
            if not self.text.startswith('"', at):
                raise self.unexpected("a value", at) from None
            # "Invalid control character at", for a sentence that goes on with the place.
            reason = re.sub(r"( starting)? at$", "", error.msg)
            message = f"{reason[0].lower()}{reason[1:]}"
            raise self.failure(message, error.pos, _HINT_IN_STRING) from None
        if isinstance(value, float) and not math.isfinite(value):
            raise self.unexpected("a value", at)
        if isinstance(value, str) and _SURROGATE.search(value):
            # No file or message could hold it.
            hint = "write the character itself, or both halves of the pair"
            self.report.add(mark, "half of a surrogate pair", hint, checks.SURROGATE)
            value = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
        return Node(mark, value), end

    def skip(self, at: int) -> int:
        """Return the position of what follows the white space at ``at``."""
        space = _SPACE.match(self.text, at)
        return space.end() if space else at

    def mark(self, at: int) -> Mark:
        line = bisect_right(self.lines, at)
        return Mark(self.name, line, at - self.lines[line - 1] + 1)

    def unexpected(self, wanted: str, at: int) -> InvalidInputError:
        """Return the error for what is at ``at`` instead of ``wanted``."""
        before = self.text[:at].rstrip()
        if at == len(self.text):
            # The user sees the end of the last line, not what follows it.
            if not before:
                return self.failure("the file is empty", 0, _HINT_AT_START)
            return self.failure("the file ends too early", len(before), _HINT)
        word = next((one for one in _HINTS if self.text.startswith(one, at)), self.text[at])
        message = f"expected {wanted}, found {_shown(word)}"
        return self.failure(message, at, _hint(word, before))

    def failure(self, message: str, at: int, hint: str) -> InvalidInputError:
        return tree.failure(checks.SYNTAX, self.mark(at), f"not JSON: {message}", hint)


def _hint(word: str, before: str) -> str:
    """Return what to do about the unexpected ``word`` after the text ``before``."""
    if word in "]}" and before.endswith(","):
        return "remove the comma before it"
    if word in _HINTS:
        return _HINTS[word]
    if ODD_SPACE.match(word):
        return f"it is {space_name(word)}: put an ordinary space there"
    if not before:
        return _HINT_AT_START
    return _QUOTES if word.isalpha() else _HINT


def _shown(word: str) -> str:
    # Not the whole of it: it may be a password.
    if word in _HINTS or not word.isalnum():
        return ascii(word)
    return "a number" if word.isdecimal() else "text without quotes"
