# SPDX-License-Identifier: Apache-2.0
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from altostratus.yamlfile import document
from altostratus.yamlfile.problems import InvalidInputError, Report


def parse(text: str | bytes) -> tuple[document.Node, list[str]]:
    report = Report()
    content = text.encode() if isinstance(text, str) else text
    return document.parse(content, "f", report), [str(one) for one in report.problems]


def test_places_of_values_and_keys() -> None:
    node, problems = parse("a: 1\nlist:\n  - x\n  - {deep: [true, null]}\n")
    assert node.plain() == {"a": 1, "list": ["x", {"deep": [True, None]}]}
    assert not problems
    assert str(node.fields["a"].mark) == "f:1:4"
    assert str(node.keys["list"]) == "f:2:1"
    deep = node.fields["list"].items[1].fields["deep"]
    assert [str(item.mark) for item in deep.items] == ["f:4:13", "f:4:19"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("# only a comment", None),
        ("2021-04-16", "2021-04-16"),
        ("12:30", "12:30"),
        ("on", "on"),
        ("0x1F", "0x1F"),
        ("010", 10),
        ("-7", -7),
        ("1.5e3", 1500.0),
        (".inf", ".inf"),
        ("9" * 30, "9" * 30),
        ("1e999", "1e999"),
        ("'1'", "1"),
        ("~", None),
        ("﻿a: b", {"a": "b"}),
        ("{1: a, on: b}", {"1": "a", "on": "b"}),
        ("{? x : y}", {"x": "y"}),
        ("{'<<': y}", {"<<": "y"}),
        ("[&a {x: 1}, *a]", [{"x": 1}, {"x": 1}]),
    ],
)
def test_values(text: str, value: object) -> None:
    node, problems = parse(text)
    assert node.plain() == value
    assert not problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: 1\nb: 2\na: 3",
            "f:3:1: duplicate key 'a' [E1010]\n    hint: it is already given in line 1",
        ),
        (
            "a: {b: 1, b: 2}",
            "f:1:11: duplicate key 'b' [E1010]\n    hint: it is already given in line 1",
        ),
        (
            "a: {<<: {b: 1}, c: 2}",
            "f:1:5: merge keys (<<) are not supported [E1009]\n    hint: write the",
        ),
        ("? [a]\n: b", "f:1:3: a key must be a word"),
        ("a: !!python/object:os.system x", "f:1:4: tag tag:yaml.org,2002:python/object:os.system"),
        ("&a [*a]", "f:1:5: alias *a has no complete anchor before it"),
        ("a: 1\n---\nb: 2", "f:2:1: a second document"),
    ],
)
def test_problems_that_do_not_stop_reading(text: str, problem: str) -> None:
    _, problems = parse(text)
    assert len(problems) == 1
    assert problems[0].startswith(problem) and "\n    hint: " in problems[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a:\n\t- b", "f:2:1: not YAML: found character that cannot start any token"),
        (b"a: [1, 2", "f:1:9: not YAML: did not find expected ',' or ']'"),
        (b"a: b\nc: \xff\xfe", "f:2:4: byte 0xff is not UTF-8"),
        (b"a: b\nx: \x07", "f:2:4: not YAML: control characters are not allowed"),
        (b"a: *nowhere\nb", "f:2:2: not YAML"),
        (b"[" * 100_000, "f:1:66: nested deeper than 64 levels"),
        (b"{a: " * 100_000, "f:1:"),
        (b"- " * 100_000, "f:1:"),
    ],
)
def test_errors_that_stop_reading(content: bytes, problem: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        parse(content)
    assert any(str(one).startswith(problem) for one in error.value.problems), error.value
    assert all(one.hint for one in error.value.problems)


def test_tabs_are_named() -> None:
    with pytest.raises(InvalidInputError, match="YAML forbids tabs"):
        parse("a:\n\tb: 1\n")


def test_aliases_do_not_explode() -> None:
    levels = "".join(f"- &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    with pytest.raises(InvalidInputError, match="more than 500000 values"):
        parse(f"- &a0 [x]\n{levels}")


def test_load_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a: [")
    with pytest.raises(InvalidInputError, match="x.yaml:1:5: not YAML"):
        document.load(path, Report())


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15) + 1, 10**15 - 1)
    | st.text("abc: -#'\"\\\n\té{}[],&*!|>%@`", max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text("ab-1 ", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_json_is_read_as_json(value: object) -> None:
    node, problems = parse(json.dumps(value))
    assert node.plain() == value
    assert not problems


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(max_size=60) | st.text("ab:-?#&*!|>'\"%@`{}[], \n\t~0.", max_size=60))
def test_anything_is_read_or_refused(text: str | bytes) -> None:
    try:
        parse(text)
    except InvalidInputError as error:
        assert all(problem.hint for problem in error.problems)
