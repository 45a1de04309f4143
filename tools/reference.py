# SPDX-License-Identifier: Apache-2.0
"""Writes what follows from schemas, checks and contracts: ``docs/``, ``schemas/``, defaults.

``python -m tools.reference`` in a checkout rewrites them; a test fails while they are stale. The
table of services has those of ``ELEMENTS_PATH``, too: a copy of this project documents its own.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from altostratus.files import write_text
from altostratus.yamlfile.kinds import FILES
from altostratus.yamlfile.schema import Schema
from devtest.cloud import heatenv
from generator import checks, contracts, schemas
from generator.cloudfile import grammar
from generator.contracts import secretkinds
from generator.contracts.grammar import SERVICE_SCHEMA
from generator.contracts.model import Contracts
from generator.contracts.references import KINDS, references
from generator.plan.metadata import nested
from imagebuild import images, manifest
from setupcloud import flavors, neutron, nodeschema

DOCS = Path(__file__).resolve().parent.parent / "docs"

ELEMENTS = DOCS.parent / "elements"

SCHEMAS = DOCS.parent / "schemas"

_TABLE = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end of table -->)", re.DOTALL)

_TYPES = {
    "array": "list",
    "object": "mapping",
    "integer": "number",
    "boolean": "true or false",
    "string": "string",
    "any": "any",
}


def documents() -> dict[Path, str]:
    """Return the present content of every generated document by its path."""
    ours = contracts.load(ELEMENTS)
    found = {SCHEMAS / f"{kind}.json": _schema(kind, ours) for kind in FILES}
    for name in ("checks.md", "cloud-file.md", "networks.md", "register-nodes.md", "services.md"):
        text = (DOCS / name).read_text(encoding="utf-8")
        found[DOCS / name] = _TABLE.sub(lambda match: match[1] + _table(match[2]) + match[3], text)
    return found | _nova_defaults(ours)


def main() -> int:
    """Write every document that is stale."""
    for path, text in documents().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
    return 0


def _schema(kind: str, ours: Contracts) -> str:
    """Return the schema of a ``kind`` of file, with the contracts of this project."""
    fixed = {
        "images": images.IMAGES,
        "manifest": manifest.MANIFEST,
        "networks": neutron.NETWORKS,
        "flavors": flavors.FLAVORS,
        "nodes": nodeschema.NODES,
        "heat-env": heatenv.FILE,
    }
    schema = fixed[kind] if kind in fixed else schemas.LIVE[kind](ours)
    return schemas.written(kind, {"title": FILES[kind].replace("`", ""), **schema})


def _nova_defaults(known: Contracts) -> dict[Path, str]:
    """Return the defaults of each nova-compute process for metadata of the old layout.

    Contracts are not in images; ``novadrivers.processes`` reads these files instead. They have the
    constants of the process's contract, and of the one that all of Nova shares.
    """
    found = {}
    for service, contract in known.by_name.items():
        # A nova-compute process is what has a driver.
        if f"{service}.compute_driver" in contract.keys:
            own = {
                name: key.value
                for one in (known.by_name["nova"], contract)
                for name, key in one.keys.items()
                if key.value is not None and not any(references(key.value))
            }
            type_ = service.removeprefix("nova-")
            path = ELEMENTS / service / "static/usr/share/altostratus/nova-defaults"
            text = json.dumps(nested(own), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
            found[path / f"{type_}.json"] = text
    return found


def _table(name: str) -> str:
    rows: Mapping[str, Iterator[tuple[str, ...]]] = {
        "cloud": _properties(grammar.CLOUD),
        "network": _properties(grammar.NETWORK),
        "role": _properties(grammar.ROLE),
        "flavor": _properties(grammar.FLAVOR),
        "networks": _properties(neutron.NETWORK),
        "flavors": _properties(flavors.FLAVOR),
        "nodes": _properties(nodeschema.NODE),
        "contract": _properties(SERVICE_SCHEMA),
        "key": _properties(SERVICE_SCHEMA["properties"]["keys"]["additionalProperties"]),
        "secrets": iter(
            (f"`{name}`", kind.description) for name, kind in secretkinds.KINDS.items()
        ),
        "references": _references(),
        "services": _services(),
        "schemas": iter((f"`{kind}`", text) for kind, text in FILES.items()),
        **{f"checks-{area}": _checks(area) for area in checks.areas()},
    }
    heads = {
        "secrets": ("kind", "value"),
        "references": ("reference", "stands for"),
        "services": ("service", "group", "needs", "what it is"),
        "schemas": ("kind", "file"),
    }
    properties = ("key", "type", "default", "meaning")
    about = ("id", "name", "severity", "what is wrong")
    head = heads.get(name, about if name.startswith("checks-") else properties)
    lines = [head, tuple("---" for _ in head), *rows[name]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _properties(schema: Schema) -> Iterator[tuple[str, ...]]:
    required = schema.get("required", ())
    for name, one in schema["properties"].items():
        if "description" in one:
            default = "**required**" if name in required else _default(one)
            yield f"`{name}`", _form(one), default, one["description"]


def _default(schema: Schema) -> str:
    default: Any = schema.get("default")
    return "" if default in (None, [], {}, "") else f"`{json.dumps(default)}`"


def _types(types: str | Sequence[str]) -> str:
    names = [types] if isinstance(types, str) else types
    return " or ".join(_TYPES[name] for name in names)


def _form(schema: Schema) -> str:
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(one).strip(chr(34))}`" for one in schema["enum"])
    if "items" in schema and schema["type"] == "array":
        return f"list of {_form(schema['items'])}"
    limits = [str(schema[word]) for word in ("minimum", "maximum") if word in schema]
    name = _short(schema.get("title", "")) or _types(schema.get("type", "any"))
    joined = f" {'–'.join(limits)}" if len(limits) == 2 else f" ≥ {limits[0]}" if limits else ""
    return f"{name}{joined}"


def _short(title: str) -> str:
    """Return the noun of a title: "IPv4 network" of "an IPv4 network such as 10.0.0.0/8"."""
    noun = re.split(r"[,:]| of | such as ", title)[0]
    return re.sub("^an? ", "", noun)


def _checks(area: str) -> Iterator[tuple[str, ...]]:
    for one in checks.areas()[area]:
        yield f"`{one.id}`", one.name, one.severity, one.description


def _references() -> Iterator[tuple[str, str]]:
    for kind, text in KINDS.items():
        names = {"region": "", "self": ":WHAT", "secret": ":NAME"}
        yield f"`{{{kind}{names.get(kind, ':SERVICE')}}}`", text


def _services() -> Iterator[tuple[str, ...]]:
    for name, one in contracts.installed().services.items():
        yield f"`{name}`", one.group or "", ", ".join(one.needs), one.summary


if __name__ == "__main__":
    sys.exit(main())
