# SPDX-License-Identifier: Apache-2.0
"""``setup-flavors``: Nova flavors of ``flavors.json`` in the undercloud.

Nova cannot change a flavor, so one that differs is replaced; servers keep the copy that they were
made with.
"""

import argparse
import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus.console import CommandParser, run_command
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.problems import Report
from altostratus.yamlfile.schema import Schema
from setupcloud import session
from setupcloud.session import connected

logger = logging.getLogger(__name__)

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
            "description": "What the scheduler is told besides, such as "
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
    """What has to be done for one flavor: ``there`` is the SDK's flavor of that name, or None."""

    wanted: Mapping[str, Any]
    there: Any | None

    @property
    def kind(self) -> str:
        """One word for the user: created, replaced or unchanged."""
        if self.there is None:
            return "created"
        return "unchanged" if _described(self.there) == _described(self.wanted) else "replaced"


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


def plan(compute: Any, flavors: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Return what makes the flavors of ``compute``, the SDK's proxy, like ``flavors``."""
    known = {one.name: one for one in compute.flavors(get_extra_specs=True)}
    return [Change(wanted, known.get(wanted["name"])) for wanted in flavors]


def apply(compute: Any, change: Change) -> None:
    """Do what ``change`` says."""
    if change.kind == "unchanged":
        return
    if change.there is not None:
        compute.delete_flavor(change.there)
    size = {key: change.wanted[key] for key in ("name", "ram", "vcpus", "disk")}
    made = compute.create_flavor(**size)
    if change.wanted.get("extra_specs"):
        compute.create_flavor_extra_specs(made, change.wanted["extra_specs"])


def _described(flavor: Any) -> tuple[Any, ...]:
    """Return what makes a flavor; of ours and of the SDK's, which has items too."""
    specs = flavor.get("extra_specs") or {}
    return (*(flavor[key] for key in ("name", "ram", "vcpus", "disk")), dict(specs))


def _parser() -> CommandParser:
    does = "Create flavors, and replace those that differ."
    return session.parser(
        "setup-flavors", does, "flavors", "the flavors, as generate-stacks writes them"
    )


def _run(args: argparse.Namespace) -> int:
    flavors = read(args.flavors)
    with connected("setup-flavors", "Nova") as connection:
        for change in plan(connection.compute, flavors):
            if not args.dry_run:
                apply(connection.compute, change)
            print(change.kind, change.wanted["name"], flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
