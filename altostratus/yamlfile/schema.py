# SPDX-License-Identifier: Apache-2.0
"""Checks a tree against a JSON Schema and gives the place of every violation.

KEYWORDS are those of https://json-schema.org/draft/2020-12/schema that this project's schemas use.
``title`` is the noun phrase of messages ("a name of lower-case letters, digits and hyphens"); hints
say what is wanted with the limits, ``examples`` and ``description``. No message shows a value whose
schema has ``writeOnly``, or whose key has the name of a secret, or what is below either;
``"writeOnly": False`` says that a value with such a name is none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from altostratus.yamlfile import checks, emit
from altostratus.yamlfile.confidential import HIDDEN, is_secret
from altostratus.yamlfile.document import MERGE, Node
from altostratus.yamlfile.problems import Problem, Report, alike, nearest

Schema = Mapping[str, Any]

_KEYWORDS = """
    type enum anyOf pattern minimum exclusiveMinimum maximum minLength minItems maxItems
    minProperties items properties required additionalProperties propertyNames title description
    default examples writeOnly
"""
KEYWORDS = frozenset(_KEYWORDS.split())
"""The keywords that this project's schemas may use; the alternatives of anyOf differ in type."""

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
TYPES = tuple(_TYPES)
"""The types that a schema can name."""

# Unknown keys that may be misspelt ones.
_COMPARED = 100

_BOUNDS = {"minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most"}


def check(node: Node, schema: Schema, report: Report, what: str = "value") -> bool:
    """Add to ``report`` whatever in ``node`` violates ``schema``; return whether it is valid.

    ``what`` names the value in messages, usually by its key.
    """
    before = len(report.problems)
    report.extend(problems(node, schema, what))
    return len(report.problems) == before and not node.lost


def problems(
    node: Node, schema: Schema, what: str = "value", hidden: bool = False
) -> Iterator[Problem]:
    """Yield whatever in ``node`` violates ``schema``; ``what`` is as for ``check``.

    With ``hidden`` the value is a secret, whatever ``what`` is.
    """
    if node.value is None and node.lost:
        return  # reported already
    hidden = schema.get("writeOnly", hidden or is_secret(what))
    if "anyOf" in schema:
        yield from problems(node, _alternative(node, schema), what, hidden)
    elif not _has_type(node, schema):
        message = f"{what}: {_shown(node, hidden)} is not {_noun(schema)}"
        yield checks.TYPE.at(node.mark, message, _hint(schema, message))
    elif isinstance(node.value, dict):
        yield from _of_mapping(node, schema, what, hidden)
    elif isinstance(node.value, list):
        yield from _of_list(node, schema, what, hidden)
    else:
        yield from _of_scalar(node, schema, what, hidden)


def check_unique(values: Iterable[Node | None], what: str, report: Report) -> None:
    """Add to ``report`` the ``values`` that are there twice, upper and lower case being the same.

    MySQL, which the services ask for these names, makes no difference either.
    """
    seen: dict[str, Node] = {}
    for value in values:
        if value is None:
            continue
        first = seen.setdefault(str(value.value).lower(), value)
        if first is not value:
            message = f"{what}: {value.value} is also in line {first.mark.line}"
            hint = "each must be unique: change one of them"
            report.add(value.mark, message, hint, checks.DUPLICATE_VALUE)


def sound(node: Node, schema: Schema) -> Node | None:
    """Return ``node`` without what violates ``schema``, so that the rest can be used.

    A mapping may still lack required keys. They are ``lost`` there, like the keys of what was left
    out and those that unknown keys probably stand for. None if nothing can be used.
    """
    if "anyOf" in schema:
        schema = _alternative(node, schema)
    if not _has_type(node, schema) or (node.value is None and node.lost):
        return None
    if isinstance(node.value, dict):
        return _sound_mapping(node, schema)
    if isinstance(node.value, list) and "items" in schema:
        return _sound_list(node, schema)
    return node if _is_valid(node, schema) else None


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
    fitting = [_is_valid(item, schema["items"]) for item in node.items]
    items = [item for item, fits in zip(node.items, fitting, strict=True) if fits]
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(node.items))
    if not least <= len(node.items) <= most or (least == most and len(items) != least):
        return None
    lost = {str(item.value) for item, fits in zip(node.items, fitting, strict=True) if not fits}
    return replace(node, value=items, lost=frozenset(lost))


def _is_valid(node: Node, schema: Schema) -> bool:
    return not node.lost and not any(problems(node, schema))


def _meant(node: Node, schema: Schema) -> set[str]:
    """Return the keys that were probably misspelt, or given by a merge key."""
    properties: Mapping[str, Schema] = schema.get("properties", {})
    absent = properties.keys() - node.fields.keys()
    if MERGE in node.lost:
        return absent
    if schema.get("additionalProperties", True) is not False:
        return set()
    unknown = node.fields.keys() - properties.keys()
    few = islice(sorted(unknown), _COMPARED)
    return {near[0] for key in few if (near := alike(key, properties))} & absent


def _alternative(node: Node, schema: Schema) -> Schema:
    """Return the one of ``anyOf`` that is for the type of ``node``; the first one if none is."""
    options: list[Schema] = schema["anyOf"]
    chosen = next((one for one in options if _has_type(node, one)), options[0])
    return {**{word: value for word, value in schema.items() if word != "anyOf"}, **chosen}


def _has_type(node: Node, schema: Schema) -> bool:
    types = _types(schema)
    return not types or any(_is(node.value, name) for name in types)


def _noun(schema: Schema) -> str:
    words = " or ".join(_WORDS[name] for name in _types(schema))
    return str(schema.get("title") or words or "a value")


def _hint(schema: Schema, said: str = "") -> str:
    """Return what a value of ``schema`` looks like and is for, unless the message ``said`` so."""
    wanted = "one of " + ", ".join(map(str, schema["enum"])) if "enum" in schema else _noun(schema)
    if wanted == _WORDS["object"] and schema.get("required"):
        wanted += f" with {' and '.join(schema['required'])}"
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


def _shown(node: Node, hidden: bool = False) -> str:
    if isinstance(node.value, dict):
        return "a mapping"
    if isinstance(node.value, list):
        return "a list"
    if node.value is None:
        return "nothing"
    if hidden:
        return HIDDEN
    if isinstance(node.value, bool):
        return str(node.value).lower()
    return f"'{node.value}'" if isinstance(node.value, str) else str(node.value)


def _of_scalar(node: Node, schema: Schema, what: str, hidden: bool) -> Iterator[Problem]:
    value, shown = node.value, _shown(node, hidden)
    # Python takes True for 1; JSON Schema does not.
    known = schema.get("enum")
    if known is not None and not any(value == one and type(value) is type(one) for one in known):
        hint = nearest(str(value), map(str, known))
        yield checks.CHOICE.at(node.mark, f"{what}: {shown} is unknown", hint)
    if isinstance(value, str):
        check, wrong = checks.PATTERN, _wrong_text(value, schema)
    else:
        check, wrong = checks.RANGE, _wrong_number(value, schema)
    if wrong:
        yield check.at(node.mark, f"{what}: {shown} {wrong}", _hint(schema, wrong))


def _wrong_text(value: str, schema: Schema) -> str:
    pattern = schema.get("pattern")
    if len(value) >= schema.get("minLength", 0) and (not pattern or _matches(pattern, value)):
        return ""
    form = f"of the form {pattern}" if pattern else "long enough"
    return f"is not {schema.get('title', form)}"


def _wrong_number(value: object, schema: Schema) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            return f"is less than {schema['minimum']}"
        if "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]:
            return f"is not more than {schema['exclusiveMinimum']}"
        if value > schema.get("maximum", value):
            return f"is more than {schema['maximum']}"
    return ""


def _matches(pattern: str, value: str) -> bool:
    # Python's $ allows a newline after it, that of ECMA 262 and so of JSON Schema does not.
    return bool(re.search(re.sub(r"\$$", r"\\Z", pattern), value))


def _of_list(node: Node, schema: Schema, what: str, hidden: bool) -> Iterator[Problem]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", len(node.items))
    if not least <= len(node.items) <= most:
        wanted = f"at least {least} are needed"
        if len(node.items) > most:
            wanted = f"at most {most} are allowed"
        elif least == most:
            wanted = f"{least} are needed"
        message = f"{what}: {len(node.items)} items where {wanted}"
        yield checks.ITEMS.at(node.mark, message, _hint(schema))
    if "items" in schema:
        for item in node.items:
            yield from problems(item, schema["items"], what, hidden)


def _of_mapping(node: Node, schema: Schema, what: str, hidden: bool) -> Iterator[Problem]:
    properties: Mapping[str, Schema] = schema.get("properties", {})
    others = schema.get("additionalProperties", True)
    names = schema.get("propertyNames")
    if len(node.fields) < schema.get("minProperties", 0) and not node.lost:
        yield checks.EMPTY.at(node.mark, f"{what}: it is empty", _hint(schema))
    for key, value in node.fields.items():
        if names:
            yield from problems(Node(node.keys[key], key), {**names, "writeOnly": False}, what)
        if key in properties:
            yield from problems(value, properties[key], key, hidden)
        elif others is False:
            hint = nearest(key, properties)
            yield checks.UNKNOWN_KEY.at(node.keys[key], f"unknown key '{key}'", hint)
        elif others is not True:
            yield from problems(value, others, key, hidden)
    missing = [key for key in schema.get("required", ()) if key not in node.fields]
    for key in sorted(set(missing) - _meant(node, schema)) if missing else ():
        about = f", {_hint(properties[key])}" if key in properties else ""
        message = f"{what}: '{key}' is missing"
        yield checks.MISSING_KEY.at(node.mark, message, f"add '{key}:'{about}")
