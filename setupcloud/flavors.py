# SPDX-License-Identifier: Apache-2.0
"""``setup-flavors``: creates the Nova flavors of ``flavors.json``.

Nova cannot change a flavor, so one that differs is deleted and created again. Servers keep a copy
of the flavor that they were created with.
"""

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus.clients import session
from altostratus.clients.nova import Flavor, Nova
from altostratus.console import CommandParser, run_command
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.problems import Report
from altostratus.yamlfile.schema import Schema
from setupcloud import command

FLAVOR: Schema = {
    "type": "object",
    "required": ["name", "ram", "vcpus", "disk"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "Name of the flavor"},
        "ram": {"type": "integer", "minimum": 1, "description": "Memory in MiB"},
        "vcpus": {"type": "integer", "minimum": 1, "description": "Virtual CPUs"},
        "disk": {"type": "integer", "minimum": 0, "description": "Root disk in GiB"},
        "extra_specs": {
            "type": "object",
            "additionalProperties": {"type": "string"},
            "default": {},
            "description": "Extra specs for the scheduler, such as "
            '`"resources:CUSTOM_BAREMETAL": "1"`',
        },
    },
}
"""One flavor of ``flavors.json``."""

FLAVORS: Schema = {
    "type": "object",
    "required": ["flavors"],
    "additionalProperties": False,
    "properties": {"flavors": {"type": "array", "items": FLAVOR}},
}
"""The form of ``flavors.json``."""


@dataclass(frozen=True)
class Change:
    """What has to be done for one flavor; ``there`` is Nova's flavor of the same name, or None."""

    wanted: Flavor
    there: Flavor | None

    @property
    def kind(self) -> str:
        """One word for the user: created, replaced or unchanged."""
        if self.there is None:
            return "created"
        return "unchanged" if self.there == self.wanted else "replaced"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the flavors of the file ``path``, of the form FLAVORS.

    Raises InvalidInputError with every problem of the file.
    """
    document.require(path, "generate-stacks writes flavors.json")
    report = Report()
    node = document.load(path, report)
    if schema.check(node, FLAVORS, report, "flavors file"):
        names = (flavor.get("name") for flavor in node.fields["flavors"].items)
        schema.check_unique(names, "name", report)
    report.raise_if_any()
    flavors: list[dict[str, Any]] = node.plain()["flavors"]
    return flavors


def plan(nova: Nova, flavors: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return the changes that make Nova's flavors like ``flavors`` (items of FLAVORS)."""
    there = {one.name: one for one in nova.flavors()}
    return [Change(Flavor(**wanted), there.get(wanted["name"])) for wanted in flavors]


def apply(nova: Nova, change: Change) -> None:
    """Carry out ``change``."""
    if change.kind == "unchanged":
        return
    if change.there is not None:
        nova.delete_flavor(change.there)
    nova.create_flavor(change.wanted)


def _parser() -> CommandParser:
    does = "Create flavors, and replace those that differ."
    return command.parser(
        "setup-flavors", does, "flavors", "the flavors, as generate-stacks writes them"
    )


def _run(args: argparse.Namespace) -> int:
    flavors = read(args.flavors)
    nova = Nova(session.current("setup-flavors"))
    for change in plan(nova, flavors):
        if not args.dry_run:
            apply(nova, change)
        print(change.kind, change.wanted.name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
