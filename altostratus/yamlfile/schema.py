# SPDX-License-Identifier: Apache-2.0
"""Checks a tree against a JSON Schema and names the place of everything that does not fit.

KEYWORDS are those of https://json-schema.org/draft/2020-12/schema that this project's schemas use.
``title`` is the noun phrase of messages ("a name of lower-case letters, digits and hyphens"); hints
say what is wanted with the limits, ``examples`` and ``description``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from altostratus.yamlfile import emit
from altostratus.yamlfile.document import MERGE, Node
from altostratus.yamlfile.problems import Report, alike, nearest

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

_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}


def check(node: Node, schema: Schema, report: Report, what: str = "value") -> bool:
    """Add to ``report`` whatever in ``node`` does not fit ``schema``; return whether it fits.

    ``what`` names the value in messages, usually by its key.
    """
    before = len(report.problems)
    if node.value is None and node.lost:
        return False  # reported already
    if not _has_type(node, schema):
        message = f"{what}: {_shown(node)} is not {_noun(schema)}"
        report.add(node.mark, message, _hint(schema, message))
    elif isinstance(node.value, dict):
        _check_mapping(node, schema, report, what)
    elif isinstance(node.value, list):
        _check_list(node, schema, report, what)
    else:
        _check_scalar(node, schema, report, what)
    return len(report.problems) == before and not node.lost


def check_unique(values: Iterable[Node | None], what: str, report: Report) -> None:
    """Add to ``report`` the ``values`` that are there twice; upper case makes no difference.

    It makes none to MySQL either, which the services ask for these names.
    """
    seen: dict[str, Node] = {}
    for value in values:
        if value is None:
            continue
        first = seen.setdefault(str(value.value).lower(), value)
        if first is not value:
            message = f"{what}: {value.value} is also in line {first.mark.line}"
            report.add(value.mark, message, "each can be there once: correct one of them")


def sound(node: Node, schema: Schema) -> Node | None:
    """Return ``node`` without what does not fit ``schema``, so that the rest can be used.

    Keys that mappings require are not among this: they are ``lost`` there, as are the keys of what
    was left out, and for an unknown key the one that was probably meant. None if all is wrong.
    """
    if not _has_type(node, schema) or (node.value is None and node.lost):
        return None
    if isinstance(node.value, dict):
        return _sound_mapping(node, schema)
    if isinstance(node.value, list) and "items" in schema:
        return _sound_list(node, schema)
    return node if check(node, schema, Report()) else None


def _sound_mapping(node: Node, schema: Schema) -> Node | None:
    if len(node.fields) < schema.get("minProperties", 0):
        return None
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    fields: dict[str, Node] = {}
    for key, value in node.fields.items():
        form: Any = properties.get(key, others)
        if form is not False and (kept := value if form is True else sound(value, form)):
            fields[key] = kept
    gone = {key for key in node.fields if key in properties or others is not False} - fields.keys()
    missing = {key for key in schema.get("required", ()) if key not in node.fields}
    return replace(node, value=fields, lost=frozenset(gone | missing | _meant(node, schema)))


def _sound_list(node: Node, schema: Schema) -> Node | None:
    fitting = [check(item, schema["items"], Report()) for item in node.items]
    items = [item for item, fits in zip(node.items, fitting, strict=True) if fits]
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(node.items))
    if not least <= len(node.items) <= most or (least == most and len(items) != least):
        return None
    lost = {str(item.value) for item, fits in zip(node.items, fitting, strict=True) if not fits}
    return replace(node, value=items, lost=frozenset(lost))


def _meant(node: Node, schema: Schema) -> set[str]:
    """Return the keys that the user probably gave in another spelling, or by a merge key."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    absent = properties.keys() - node.fields.keys()
    if MERGE in node.lost:
        return absent
    if schema.get("additionalProperties", True) is not False:
        return set()
    unknown = node.fields.keys() - properties.keys()
    return {near[0] for key in unknown if (near := alike(key, properties))} & absent


def _has_type(node: Node, schema: Schema) -> bool:
    types = _types(schema)
    return not types or any(_is(node.value, name) for name in types)


def _noun(schema: Schema) -> str:
    words = " or ".join(_WORDS[name] for name in _types(schema))
    return str(schema.get("title") or words or "a value")


def _hint(schema: Schema, said: str = "") -> str:
    """Return what a value of ``schema`` looks like and is for, besides what was ``said``."""
    wanted = "one of " + ", ".join(map(str, schema["enum"])) if "enum" in schema else _noun(schema)
    bounds = [f"{words} {schema[key]}" for key, words in _BOUNDS.items() if key in schema]
    parts = [*([] if wanted in said else [wanted]), *([" and ".join(bounds)] if bounds else [])]
    parts += [f"such as {emit.flow(one)}" for one in schema.get("examples", ())[:1]]
    about = schema.get("description", "").replace("`", "'")
    return ": ".join(part for part in (", ".join(parts), about) if part) or f"write {wanted}"


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
    wrong = ""
    if isinstance(value, str):
        pattern = schema.get("pattern")
        if len(value) < schema.get("minLength", 0) or (pattern and not _matches(pattern, value)):
            form = f"of the form {pattern}" if pattern else "long enough"
            wrong = f"is not {schema.get('title', form)}"
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            wrong = f"is less than {schema['minimum']}"
        elif "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            wrong = f"is not more than {schema['exclusiveMinimum']}"
        elif value > schema.get("maximum", value):
            wrong = f"is more than {schema['maximum']}"
    if wrong:
        report.add(node.mark, f"{what}: {shown} {wrong}", _hint(schema, wrong))


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
        message = f"{what}: {len(node.items)} items where {wanted}"
        report.add(node.mark, message, _hint(schema))
    if "items" in schema:
        for item in node.items:
            check(item, schema["items"], report, what)


def _check_mapping(node: Node, schema: Schema, report: Report, what: str) -> None:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames")
    if len(node.fields) < schema.get("minProperties", 0) and not node.lost:
        report.add(node.mark, f"{what}: it is empty", _hint(schema))
    for key, value in node.fields.items():
        if names:
            check(Node(node.keys[key], key), names, report, what)
        if key in properties:
            check(value, properties[key], report, key)
        elif others is False:
            report.add(node.keys[key], f"unknown key '{key}'", nearest(key, properties))
        elif others is not True:
            check(value, others, report, key)
    missing = [key for key in schema.get("required", ()) if key not in node.fields]
    for key in sorted(set(missing) - _meant(node, schema)) if missing else ():
        about = f", {_hint(properties[key])}" if key in properties else ""
        report.add(node.mark, f"{what}: '{key}' is missing", f"add '{key}:'{about}")
