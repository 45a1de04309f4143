# SPDX-License-Identifier: Apache-2.0
"""Checks a tree against a JSON Schema and names the place of everything that does not fit.

KEYWORDS are those of https://json-schema.org/draft/2020-12/schema that this project's schemas use.
``title`` is the noun phrase of messages ("a name of lower-case letters, digits and hyphens").
"""

import re
from collections.abc import Mapping
from typing import Any

from generator.document import Node
from generator.problems import Report, nearest

Schema = Mapping[str, Any]

_KEYWORDS = """
    type enum pattern minimum exclusiveMinimum maximum minLength minItems maxItems minProperties
    items properties required additionalProperties propertyNames title description default examples
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""The keywords that this project's schemas may use."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "null",
}


def check(node: Node, schema: Schema, report: Report, what: str = "value") -> bool:
    """Add to ``report`` whatever in ``node`` does not fit ``schema``; return whether it fits.

    ``what`` names the value in messages, usually by its key.
    """
    before = len(report.problems)
    types = _types(schema)
    if types and not any(_is(node.value, name) for name in types):
        expected = " or ".join(_WORDS[name] for name in types)
        report.add(node.mark, f"{what}: {_shown(node)} is not {schema.get('title', expected)}")
    elif isinstance(node.value, dict):
        _check_mapping(node, schema, report, what)
    elif isinstance(node.value, list):
        _check_list(node, schema, report, what)
    else:
        _check_scalar(node, schema, report, what)
    return len(report.problems) == before


def _types(schema: Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _TYPES[name])


def _shown(node: Node) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return f"'{node.value}'" if isinstance(node.value, str) else str(node.value)


def _check_scalar(node: Node, schema: Schema, report: Report, what: str) -> None:
    value, shown = node.value, _shown(node)
    # Python takes True for 1; JSON Schema does not.
    known = schema.get("enum")
    if known is not None and not any(value == one and type(value) is type(one) for one in known):
        report.add(node.mark, f"{what}: {shown} is unknown", nearest(str(value), map(str, known)))
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if len(value) < schema.get("minLength", 0) or (pattern and not _matches(pattern, value)):
            expected = schema.get("title", f"of the form {pattern}" if pattern else "long enough")
            report.add(node.mark, f"{what}: {shown} is not {expected}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            report.add(node.mark, f"{what}: {shown} is less than {schema['minimum']}")
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            report.add(node.mark, f"{what}: {shown} is not more than {schema['exclusiveMinimum']}")
        if value > schema.get("maximum", value):
            report.add(node.mark, f"{what}: {shown} is more than {schema['maximum']}")


def _matches(pattern: str, value: str) -> bool:
    # Python's $ allows a newline after it, that of ECMA 262 and so of JSON Schema does not.
    return bool(re.search(re.sub(r"\$$", r"\\Z", pattern), value))


def _check_list(node: Node, schema: Schema, report: Report, what: str) -> None:
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(node.items))
    if not least <= len(node.items) <= most:
        wanted = f"at least {least} are needed"
        if len(node.items) > most:
            wanted = f"at most {most} can be"
        elif least == most:
            wanted = f"{least} are needed"
        report.add(node.mark, f"{what}: {len(node.items)} items where {wanted}")
    if "items" in schema:
        for item in node.items:
            check(item, schema["items"], report, what)


def _check_mapping(node: Node, schema: Schema, report: Report, what: str) -> None:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames")
    if len(node.fields) < schema.get("minProperties", 0):
        report.add(node.mark, f"{what}: it is empty")
    for key, value in node.fields.items():
        if names:
            check(Node(node.keys[key], key), names, report, what)
        if key in properties:
            check(value, properties[key], report, key)
        elif others is False:
            report.add(node.keys[key], f"unknown key '{key}'", nearest(key, properties))
        elif others is not True:
            check(value, others, report, key)
    for key in schema.get("required", []):
        if key not in node.fields:
            report.add(node.mark, f"{what}: '{key}' is missing", f"add '{key}:'")
