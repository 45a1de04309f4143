# SPDX-License-Identifier: Apache-2.0
import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from altostratus.yamlfile import document, jsonfile, tree
from altostratus.yamlfile.problems import InvalidInputError, Report


def parse(text: str | bytes) -> tuple[tree.Node, list[str]]:
    report = Report()
    content = text.encode() if isinstance(text, str) else text
    return jsonfile.parse(content, "f", report), [str(one) for one in report.problems]


def test_places_of_values_and_keys() -> None:
    node, problems = parse('{"a": 1,\r\n "list":\n  ["é", {"deep": [true, null]}]\n}\n')
    assert node.plain() == {"a": 1, "list": ["é", {"deep": [True, None]}]}
    assert not problems
    assert str(node.mark) == "f:1:1"
    assert str(node.fields["a"].mark) == "f:1:7"
    assert str(node.keys["list"]) == "f:2:2"
    deep = node.fields["list"].items[1].fields["deep"]
    assert [str(item.mark) for item in deep.items] == ["f:3:19", "f:3:25"]
    assert (node.size, deep.size) == (8, 3)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{}", {}),
        (" [ ] ", []),
        ('"yes"', "yes"),
        ("[0, -0, 10, 1.5, -1e3, 0.30000000000000004]", [0, 0, 10, 1.5, -1000.0, 0.1 + 0.2]),
        ("1732871234567890123", 1732871234567890123),
        (f"[{'9' * 19}, -{'9' * 19}]", [10**19 - 1, 1 - 10**19]),
        # As in YAML: what another reader may not hold stays text.
        (f"[{'9' * 20}, -{'9' * 5000}]", ["9" * 20, "-" + "9" * 5000]),
        ("[1e999, -1e999]", ["1e999", "-1e999"]),
        ('"p\\ud83d\\ude00w\\u0000\\n"', "p😀w\0\n"),
        ("\ufeff[1]", [1]),
    ],
)
def test_values(text: str, value: object) -> None:
    node, problems = parse(text)
    assert node.plain() == value
    assert not problems


def test_duplicate_keys_and_broken_characters_are_reported_at_once() -> None:
    node, problems = parse('{"a": 1, "b": {"c": 1, "c": 2},\n "a": 2, "\\udc00": "\\ud800"}')
    assert node.plain() == {"a": 1, "b": {"c": 1}, "�": "�"}
    assert problems == [
        "f:1:24: duplicate key 'c' [E1010]\n    hint: it is already given in line 1",
        "f:2:2: duplicate key 'a' [E1010]\n    hint: it is already given in line 1",
        "f:2:10: half of a surrogate pair [E1011]\n"
        "    hint: write the character itself, or both halves of the pair",
        "f:2:20: half of a surrogate pair [E1011]\n"
        "    hint: write the character itself, or both halves of the pair",
    ]


@pytest.mark.parametrize(
    ("content", "problem", "hint"),
    [
        ("", "f:1:1: not JSON: the file is empty", "write JSON"),
        ("[1,\n2\n\n", "f:2:2: not JSON: the file ends too early", "look at"),
        ("[1,]", "f:1:4: not JSON: expected a value, found ']'", "remove the comma before it"),
        ('{"a": 1,}', "f:1:9: not JSON: expected a key in double quotes, found '}'", "remove the"),
        ("[}", "f:1:2: not JSON: expected a value, found '}'", "look at"),
        ("[1 2]", "f:1:4: not JSON: expected ',' or ']', found a number", "look at"),
        ('{"a" 1}', "f:1:6: not JSON: expected ':', found a number", "look at"),
        ("{a: 1}", "f:1:2: not JSON: expected a key in double quotes, found text", "in double q"),
        ("{'a': 1}", 'f:1:2: not JSON: expected a key in double quotes, found "\'"', "double"),
        ("{} {}", "f:1:4: not JSON: expected the end of the file, found '{'", "look at"),
        ("# nodes\n{}", "f:1:1: not JSON: expected a value, found '#'", "remove the comment"),
        ("{} // x", "f:1:4: not JSON: expected the end of the file, found '/'", "remove the comm"),
        ("[True]", "f:1:2: not JSON: expected a value, found 'True'", "write true"),
        ("[NaN]", "f:1:2: not JSON: expected a value, found 'NaN'", "no such number"),
        ("[-Infinity]", "f:1:2: not JSON: expected a value, found '-Infinity'", "no such number"),
        ("[01]", "f:1:3: not JSON: expected ',' or ']', found a number", "look at"),
        ("[\x1b]", "f:1:2: not JSON: expected a value, found '\\x1b'", "look at"),
        ('["a\tb"]', "f:1:4: not JSON: invalid control character", "write \\n"),
        ('["ab]', "f:1:2: not JSON: unterminated string", "a double quote"),
        ('["\\x"]', "f:1:3: not JSON: invalid \\escape", "a double quote"),
        ("nodes:\n- name: a\n", "f:1:1: not JSON: expected a value, found text", ".yaml"),
        ("---\na: 1\n", "f:1:1: not JSON: expected a value, found '-'", ".yaml"),
        (b"[\n1, \xff]", "f:2:4: byte 0xff is not UTF-8", "save the file as UTF-8"),
        (b"\xef\xbb\xbf[\xc3\xa9\xff", "f:1:3: byte 0xff is not UTF-8", "save the file"),
        ("[1]".encode("utf-16"), "f:1:1: byte 0xff is not UTF-8", "save the file as UTF-8"),
        ("[" * 100_000, "f:1:66: nested deeper than 64 levels", "write it flatter"),
        ('{"a":' * 100_000, "f:1:326: nested deeper than 64 levels", "write it flatter"),
    ],
)
def test_errors_that_stop_reading(content: str | bytes, problem: str, hint: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        parse(content)
    (found,) = error.value.problems
    assert str(found).startswith(problem)
    assert hint in found.hint


def test_text_without_quotes_is_not_repeated() -> None:
    """It may be a password."""
    with pytest.raises(InvalidInputError) as error:
        parse('{"pm_password": canary}')
    assert "canary" not in str(error.value)


def test_what_was_reported_before_an_error_is_kept() -> None:
    with pytest.raises(InvalidInputError, match="duplicate key 'a'") as error:
        parse('{"a": 1, "a": 2, "b"}')
    assert len(error.value.problems) == 2


def test_size_is_limited(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(jsonfile, "MAX_NODES", 10)
    assert parse(f"[{', '.join(['1'] * 9)}]")[0].size == 10
    with pytest.raises(InvalidInputError, match="f:1:29: more than .* values"):
        parse(f"[{', '.join(['1'] * 10)}]")
    path = tmp_path / "x.json"
    path.write_text("[1]")
    monkeypatch.setattr(tree, "MAX_BYTES", 2)
    with pytest.raises(InvalidInputError, match=r"x\.json:1:1: larger than"):
        document.load(path, Report())


@pytest.mark.parametrize("name", ["x.json", "x.JSON"])
def test_the_name_of_a_file_says_that_it_is_json(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text('{"a": [1]}')
    assert document.load(path, Report()).plain() == {"a": [1]}
    path.write_text("a: [1]")
    with pytest.raises(InvalidInputError, match=r":1:1: not JSON: .*\n.*ends in \.yaml"):
        document.load(path, Report())
    assert document.load(path.rename(tmp_path / "x.yaml"), Report()).plain() == {"a": [1]}


def as_read(value: Any) -> Any:
    """Return what the reader makes of a number that is too long for other readers."""
    if isinstance(value, list):
        return [as_read(item) for item in value]
    if isinstance(value, dict):
        return {key: as_read(item) for key, item in value.items()}
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**19:
        return str(value)
    return value


def float_as_read(digits: str) -> float | str:
    """Return what the reader makes of a float: its digits if it is too large for one."""
    return float(digits) if math.isfinite(float(digits)) else digits


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
VALUES = st.recursive(
    SCALARS.filter(lambda value: not isinstance(value, float) or math.isfinite(value)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@settings(deadline=None)
@given(VALUES, st.sampled_from([None, 0, 2]), st.booleans())
def test_json_is_read_as_json_reads_it(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    node, problems = parse(text)
    assert node.plain() == as_read(json.loads(text))
    assert json.dumps(node.plain()) == json.dumps(as_read(value))
    assert not problems


PIECES = ["{", "}", "[", "]", ":", ",", '"', '"a"', '"b":', "1", "-", ".5", "e9", "null", "NaN"]
PIECES += [
    "true",
    " ",
    "\n",
    "\\",
    "\\ud800",
    "\\u00e9",
    "é",
    "#",
    "'",
    "/",
    "\0",
    "\ud7ff",
    "\ufeff",
]


def is_read_or_refused(text: str) -> None:
    try:
        node, problems = parse(text)
    except InvalidInputError as error:
        lines = text.count("\n") + 1
        assert all(1 <= one.mark.line <= lines and one.hint for one in error.problems)
    else:
        loaded = json.loads(text.removeprefix("\ufeff"), parse_float=float_as_read)
        assert problems or node.plain() == as_read(loaded)


@settings(deadline=None, max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("[1e911, -1E400]")
def test_any_text_is_read_or_refused(text: str) -> None:
    is_read_or_refused(text)


@settings(deadline=None, max_examples=200)
@given(VALUES, st.data())
def test_damaged_json_is_read_or_refused(value: Any, data: st.DataObject) -> None:
    text = json.dumps(value)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    is_read_or_refused(text[:start] + text[end:])


@settings(deadline=None, max_examples=400)
@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    try:
        parse(content)
    except InvalidInputError as error:
        assert all(one.hint for one in error.problems)
