# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas of files, for editors: with what is installed, and as the wheel has them.

Each derives from the table or grammar that the commands check the file with. Those of a cloud file,
of contracts and of secrets also name the services, keys and secrets of the contracts, with their
descriptions: what people type most. Editors show ``enumDescriptions`` beside the values of an enum.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from altostratus import datafiles
from altostratus.yamlfile.schema import Schema
from generator.cloudfile import grammar, naming
from generator.contracts import secretkinds
from generator.contracts.grammar import FORM, SERVICE_SCHEMA
from generator.contracts.model import Contracts, Key
from generator.contracts.references import Value, references
from generator.output.secretstore import SECTION

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def text(kind: str, known: Callable[[], Contracts]) -> str:
    """Return the schema of a ``kind`` of file as JSON, with the contracts from ``known``."""
    if kind in LIVE:
        return written(kind, LIVE[kind](known()))
    return (datafiles.schemas_path() / f"{kind}.json").read_text(encoding="utf-8")


def written(kind: str, schema: Schema) -> str:
    """Return ``schema``, the one of ``kind``, as the text of a file with an identity of its own."""
    definitions: dict[str, Any] = {}
    body = _plain(schema, definitions)
    head = {"$schema": DIALECT, "$id": f"urn:altostratus:schema:{kind}"}
    tail = {"$defs": definitions} if definitions else {}
    return json.dumps({**head, **body, **tail}, indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any, definitions: dict[str, Any]) -> Any:
    """Return ``value`` as JSON has it; the schema that contains itself becomes a definition."""
    if value is FORM:
        if "form" not in definitions:
            definitions["form"] = {}
            definitions["form"] = {key: _plain(one, definitions) for key, one in FORM.items()}
        return {"$ref": "#/$defs/form"}
    if isinstance(value, Mapping):
        return {key: _plain(one, definitions) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, definitions) for one in value]
    return value


def cloud(known: Contracts) -> Schema:
    """Return the schema of cloud files with the services and keys of the contracts ``known``."""
    config = {**grammar.CONFIG, "properties": _namespaces(known), "additionalProperties": False}
    role = grammar.CLOUD["properties"]["roles"]["additionalProperties"]
    of_role: dict[str, Schema] = role["properties"]
    services = {**of_role["services"], "items": {"type": "string", **_words(known)}}
    roles = {
        **grammar.CLOUD["properties"]["roles"],
        "additionalProperties": {
            **role,
            "properties": {
                **of_role,
                "services": services,
                "config": {**of_role["config"], **config},
            },
        },
    }
    shared = {**grammar.CLOUD["properties"]["config"], **config}
    properties = {**grammar.CLOUD["properties"], "config": shared, "roles": roles}
    return {**grammar.CLOUD, "properties": properties}


def service(known: Contracts) -> Schema:
    """Return the schema of contracts, with examples of services and keys that ``known`` has."""
    properties: dict[str, Schema] = SERVICE_SCHEMA["properties"]
    needs = {**properties["needs"]["items"], "examples": sorted(known.services)}
    reads = {**properties["reads"]["items"], "examples": sorted(known.keys)}
    entry = dict(properties["keys"]["additionalProperties"])
    complete = {"required": entry.pop("required")}
    return {
        **SERVICE_SCHEMA,
        "title": "the contract of a service",
        "properties": {
            **properties,
            "needs": {**properties["needs"], "items": needs},
            "reads": {**properties["reads"], "items": reads},
            "keys": {**properties["keys"], "additionalProperties": entry},
        },
        # One that extends a base has in its keys what differs from the base's.
        "if": {"required": ["extends"]},
        "else": {"properties": {"keys": {"additionalProperties": complete}}},
    }


def secrets(known: Contracts) -> Schema:
    """Return the schema of ``secrets.yaml`` with the secrets that the contracts ``known`` have."""
    value = {"type": "string", "minLength": 1}
    named = {
        naming.secret_parameter(name): {
            **value,
            "description": f"{name}: {secretkinds.KINDS[kind].description}",
        }
        for name, kind in sorted(known.secrets.items())
    }
    # Those of a service that has left the cloud stay in the file.
    inner = {"type": "object", "properties": named, "additionalProperties": value}
    return {
        "type": "object",
        "title": "the secrets of a cloud",
        "required": [SECTION],
        "properties": {SECTION: {**inner, "description": "Secrets by Heat parameter"}},
    }


LIVE: Mapping[str, Callable[[Contracts], Schema]] = {
    "cloud": cloud,
    "service": service,
    "secrets": secrets,
}
"""The schemas that depend on contracts; the other ones are in ``schemas/``."""


def _words(known: Contracts) -> dict[str, Any]:
    """Return what a role can list: services, groups, and a service to take out again."""
    words = {name: one.summary for name, one in known.services.items()}
    for group, members in known.groups.items():
        words.setdefault(group, f"Group: {', '.join(members)}")
    out = {f"-{name}": f"Without {name}" for name in [*words]}
    every = {**words, **out}
    return {"enum": list(every), "enumDescriptions": list(every.values())}


def _namespaces(known: Contracts) -> dict[str, Any]:
    """Return the schemas of all keys as ``config`` nests them, by namespace."""
    top: dict[str, Any] = {}
    for name, key in sorted(known.keys.items()):
        *path, leaf = name.split(".")
        at = top
        for word in path:
            below = at.setdefault(
                word, {"type": "object", "additionalProperties": False, "properties": {}}
            )
            at = below["properties"]
        at[leaf] = {**key.schema, "description": key.description, **dict(_default(key))}
    return top


def _default(key: Key) -> Iterator[tuple[str, Value]]:
    # A reference means something in a contract alone, and a secret is no default.
    if key.value is not None and not key.secret and not any(references(key.value)):
        yield "default", key.value
