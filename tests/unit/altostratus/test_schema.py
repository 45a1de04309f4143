# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from altostratus.yamlfile import document, schema
from altostratus.yamlfile.problems import Report
from generator.cloudfile import grammar
from generator.contracts.grammar import SERVICE_SCHEMA


def problems(text: str, form: schema.Schema) -> list[str]:
    report = Report()
    schema.check(document.parse(text.encode(), "f", report), form, report, "thing")
    return [str(one) for one in report.problems]


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("x", {"type": "integer"}, "f:1:1: thing: 'x' is not a whole number [E1101]"),
        ("true", {"type": "integer"}, "f:1:1: thing: true is not a whole number [E1101]"),
        (
            "[]",
            {"type": ["string", "null"]},
            "f:1:1: thing: a list is not a string or null [E1101]",
        ),
        ("", {"type": "object"}, "f:1:1: thing: nothing is not a mapping [E1101]"),
        (
            "X",
            {"pattern": "^[a-z]$", "title": "a letter"},
            "f:1:1: thing: 'X' is not a letter [E1105]",
        ),
        ('"a\\n"', {"pattern": "^a$"}, "f:1:1: thing: 'a\\n' is not of the form ^a$ [E1105]"),
        ("0", {"minimum": 1}, "f:1:1: thing: 0 is less than 1 [E1106]"),
        ("0", {"exclusiveMinimum": 0}, "f:1:1: thing: 0 is not more than 0 [E1106]"),
        ("9", {"maximum": 8}, "f:1:1: thing: 9 is more than 8 [E1106]"),
        ("1", {"enum": [True]}, "f:1:1: thing: 1 is unknown [E1104]"),
        ("[1]", {"minItems": 2}, "f:1:1: thing: 1 items where at least 2 are needed [E1107]"),
        ("[1]", {"minItems": 2, "maxItems": 2}, "f:1:1: thing: 1 items where 2 are needed [E1107]"),
        ("[1]", {"maxItems": 0}, "f:1:1: thing: 1 items where at most 0 are allowed [E1107]"),
        ("{}", {"minProperties": 1}, "f:1:1: thing: it is empty [E1108]"),
        ("[a, 1]", {"items": {"type": "string"}}, "f:1:5: thing: 1 is not a string [E1101]"),
        ("a: 1", {"properties": {"a": {"type": "string"}}}, "f:1:4: a: 1 is not a string [E1101]"),
        (
            "nmae: 1",
            {"properties": {"name": {}}, "additionalProperties": False},
            "f:1:1: unknown key 'nmae' [E1102]",
        ),
        ("a: 1", {"required": ["b"]}, "f:1:1: thing: 'b' is missing [E1103]"),
        (
            "A: 1",
            {"propertyNames": {"pattern": "^a"}},
            "f:1:1: thing: 'A' is not of the form ^a [E1105]",
        ),
        ("a: 1", {"additionalProperties": {"type": "null"}}, "f:1:4: a: 1 is not null [E1101]"),
    ],
)
def test_messages(text: str, form: schema.Schema, expected: str) -> None:
    (problem,) = problems(text, form)
    message, _, hint = problem.partition("\n    hint: ")
    assert message == expected
    assert hint


COUNT = {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many of `x`"}
SIZE = {"title": "a size", "type": "array", "minItems": 1, "examples": [["a", 1]]}
FORM = {"required": ["name"], "properties": {"name": COUNT}, "additionalProperties": False}


@pytest.mark.parametrize(
    ("text", "form", "hint"),
    [
        ("0", COUNT, "a whole number, at least 1 and at most 9: How many of 'x'"),
        ("x", COUNT, "at least 1 and at most 9: How many of 'x'"),
        ("x", {"type": "integer"}, "write a whole number"),
        ("[]", SIZE, "a size, such as [a, 1]"),
        ("x", SIZE, "such as [a, 1]"),
        ("1", {"enum": [True, 2]}, "known: 2, True"),
        ("[]", {"type": "string", "enum": ["a", "b"]}, "one of a, b"),
        ("{}", FORM, "add 'name:', a whole number, at least 1 and at most 9: How many of 'x'"),
        ("{}", {"required": ["b"]}, "add 'b:'"),
        ("nmae: 1", FORM, "did you mean 'name'?"),
    ],
)
def test_hints(text: str, form: schema.Schema, hint: str) -> None:
    (problem,) = problems(text, form)
    assert problem.partition("\n    hint: ")[2] == hint


@pytest.mark.parametrize(
    ("text", "plain", "lost"),
    [
        ("{name: 1}", {"name": 1}, set()),
        ("{name: 0}", {}, {"name"}),
        ("{nmae: 1}", {}, {"name"}),
        ("{}", {}, {"name"}),
        ("{name: 1, nmae: 1}", {"name": 1}, set()),
        ("{<<: 1}", {}, {"name"}),
        ("{name: *a}", {}, {"name"}),
        ("[]", {}, set()),
    ],
)
def test_what_is_sound(text: str, plain: object, lost: set[str]) -> None:
    node = document.parse(text.encode(), "f", Report())
    kept = schema.sound(node, {**FORM, "type": "object"})
    assert (kept.plain() if kept else {}, kept.lost if kept else set()) == (plain, lost)


def test_what_is_sound_in_lists() -> None:
    node = document.parse(b"[1, x, 0, 9]", "f", Report())
    kept = schema.sound(node, {"type": "array", "items": COUNT})
    assert kept and (kept.plain(), kept.lost) == ([1, 9], {"x", "0"})
    assert schema.sound(node, {"type": "array", "items": COUNT, "maxItems": 3}) is None


def test_every_keyword_in_use_is_known() -> None:
    seen: set[int] = set()

    def words(form: Any) -> set[str]:
        if id(form) in seen:
            return set()  # the schema of schemas contains itself
        seen.add(id(form))
        inner = [*form.get("properties", {}).values(), *form.get("anyOf", ())]
        inner += [form[key] for key in ("items", "propertyNames") if key in form]
        others = form.get("additionalProperties")
        inner += [others] if isinstance(others, dict) else []
        return set(form).union(*(words(one) for one in inner))

    assert words(grammar.CLOUD) | words(SERVICE_SCHEMA) <= schema.KEYWORDS


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5000)
    | st.sampled_from(
        [
            "flat",
            "vlan",
            "lxc",
            "kvm",
            "10.0.0.0/8",
            "10.0.0.1",
            "ctlplane",
            "a",
            "",
            "A",
            "-x",
            "zed",
        ]
    )
)
WORDS = st.sampled_from(
    [
        "name",
        "roles",
        "networks",
        "hypervisors",
        "services",
        "count",
        "vlan",
        "cidr",
        "pool",
        "type",
    ]
    + ["flavor", "ram", "config", "addresses", "routes", "destination", "nexthop", "a", "B", ""]
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, max_examples=400)
@given(TREES, st.sampled_from([grammar.CLOUD, grammar.NETWORK, grammar.ROLE, grammar.FLAVOR]))
def test_agrees_with_jsonschema(tree: object, form: schema.Schema) -> None:
    ours = problems(json.dumps(tree), form)
    valid = jsonschema.Draft202012Validator(form).is_valid(tree)
    assert (not ours) == valid, ours
