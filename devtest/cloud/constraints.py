# SPDX-License-Identifier: Apache-2.0
"""Check values of parameters as Heat does, against the declarations of a template, offline.

Types and constraints: https://docs.openstack.org/heat/latest/template_guide/hot_spec.html and
heat.engine.constraints. ``custom_constraint`` asks services and is left to Heat.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

# heat.engine.parameters.BooleanParam, by oslo_utils.strutils.bool_from_string.
BOOLEANS = {"t", "true", "on", "y", "yes", "1", "f", "false", "off", "n", "no", "0"}


def problems(value: Any, declaration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with ``value`` and what to do about it; hidden values are not shown."""
    shown = "the value" if declaration.get("hidden") else repr(value)
    problem = TYPES[declaration["type"]](value)
    if problem:
        yield (
            f"{shown} is not {problem}",
            f"give {problem}, such as {EXAMPLES[declaration['type']]}",
        )
        return
    for each in declaration.get("constraints", []):
        for kind, bounds in each.items():
            if kind in CONSTRAINTS and (wrong := CONSTRAINTS[kind](value, bounds)):
                yield f"{shown} {wrong}", str(each.get("description") or "choose another value")


def _string(value: Any) -> str:
    # Heat makes strings of numbers, and of true and false.
    return "" if isinstance(value, str | int | float) else "text"


def _number(value: Any) -> str:
    return "" if not isinstance(value, bool) and _as_number(value) is not None else "a number"


def _boolean(value: Any) -> str:
    return "" if str(value).strip().lower() in BOOLEANS else "true or false"


def _json(value: Any) -> str:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return "a mapping or list, or JSON text of one"
    return "" if isinstance(value, dict | list) else "a mapping or list, or JSON text of one"


def _list(value: Any) -> str:
    plain = isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(each, str | int | float) for each in value)
    )
    return "" if plain else "a list, or text with commas"


TYPES: Mapping[str, Callable[[Any], str]] = {
    "string": _string,
    "number": _number,
    "boolean": _boolean,
    "json": _json,
    "comma_delimited_list": _list,
}
"""What a value of each type must be, or nothing if it is."""
EXAMPLES = {
    "string": "large",
    "number": "0, 1, 2, …",
    "boolean": "true",
    "json": '{"name": "value"}',
    "comma_delimited_list": "one,two",
}


def _as_number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _range(value: Any, bounds: Mapping[str, Any]) -> str:
    number = _as_number(value)
    if number is None:
        return ""
    return _within(number, bounds, "is")


def _length(value: Any, bounds: Mapping[str, Any]) -> str:
    size = len(value) if isinstance(value, list | dict) else len(str(value))
    return _within(size, bounds, "has the length", " which is")


def _within(found: float, bounds: Mapping[str, Any], verb: str, again: str = "") -> str:
    prefix = f"{verb} {found:g},{again}" if again else verb
    if "min" in bounds and found < bounds["min"]:
        return f"{prefix} less than {bounds['min']}"
    if "max" in bounds and found > bounds["max"]:
        return f"{prefix} more than {bounds['max']}"
    return ""


def _allowed(value: Any, values: list[Any]) -> str:
    known = [str(each) for each in values]
    given = value if isinstance(value, list) else [value]
    if all(str(each) in known for each in given):
        return ""
    return f"is not one of {', '.join(known)}"


def _pattern(value: Any, pattern: str) -> str:
    # heat.engine.constraints.AllowedPattern: the match must end where the value ends.
    return "" if re.fullmatch(pattern, str(value)) else f"does not match {pattern}"


def _modulo(value: Any, rule: Mapping[str, Any]) -> str:
    number, step, offset = _as_number(value), rule["step"], rule.get("offset", 0)
    if number is None or number % step == offset % step:
        return ""
    return f"is not {offset} plus a multiple of {step}"


CONSTRAINTS: Mapping[str, Callable[[Any, Any], str]] = {
    "range": _range,
    "length": _length,
    "allowed_values": _allowed,
    "allowed_pattern": _pattern,
    "modulo": _modulo,
}
"""What is wrong with a value under each kind of constraint, or nothing."""
