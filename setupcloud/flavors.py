# SPDX-License-Identifier: Apache-2.0
"""``setup-flavors``: creates the Nova flavors of ``flavors.json``, and changes those that differ.

Nova can change the extra specs of a flavor and nothing else, so one that differs otherwise is
replaced. Nova takes no second flavor of a name either, and renames none: the old one must go before
the new one comes. So the new one is first created, and deleted, under another name; if Nova should
refuse it all the same, the old one is put back. Servers keep a copy of the flavor that they were
created with.
"""

import argparse
import sys
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.clients import session
from altostratus.clients.nova import Flavor, Nova
from altostratus.console import CommandParser, run_command
from altostratus.undo import undone
from setupcloud import command
from setupcloud.command import Difference

if TYPE_CHECKING:
    from altostratus.yamlfile.schema import Schema

# Nova's MAX_INT (nova/db/constants.py).
_MOST = 2**31 - 1
_SPEC: "Schema" = {
    "type": "string",
    "pattern": r"^[^\x00-\x1f\x7f]{0,255}$",
    "title": "a string of at most 255 characters",
}

FLAVOR: "Schema" = {
    "type": "object",
    "required": ["name", "ram", "vcpus", "disk"],
    "additionalProperties": False,
    "properties": {
        "name": {**command.NAME, "description": "Name of the flavor"},
        "ram": {"type": "integer", "minimum": 1, "maximum": _MOST, "description": "Memory in MiB"},
        "vcpus": {"type": "integer", "minimum": 1, "maximum": _MOST, "description": "Virtual CPUs"},
        "disk": {
            "type": "integer",
            "minimum": 0,
            "maximum": _MOST,
            "description": "Root disk in GiB",
        },
        "extra_specs": {
            "type": "object",
            "propertyNames": {
                "type": "string",
                "pattern": r"^[a-zA-Z0-9_:. -]{1,255}$",
                "title": "a key of letters, digits, blanks and _ : . -",
                "examples": ["resources:CUSTOM_BAREMETAL"],
            },
            "additionalProperties": _SPEC,
            "default": {},
            "description": "Extra specs for the scheduler, such as "
            '`"resources:CUSTOM_BAREMETAL": "1"`',
        },
    },
}
"""One flavor of ``flavors.json``. Limits are Nova's: ``schemas/flavor_manage.py``,
``schemas/flavors_extraspecs.py`` and ``parameter_types.py`` of nova.api."""

FLAVORS: "Schema" = {
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
    def label(self) -> str:
        """The name for the user."""
        return self.wanted.name

    @property
    def known_id(self) -> str | None:
        """The id of Nova's flavor, None if there is none."""
        return self.there.id if self.there else None

    @property
    def kind(self) -> str:
        """One word for the user: created, updated, replaced or unchanged."""
        if self.there is None:
            return "created"
        if self.there == self.wanted:
            return command.UNCHANGED
        specs = replace(self.there, extra_specs=self.wanted.extra_specs)
        return "updated" if specs == self.wanted else "replaced"

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs, where the flavor exists."""
        return tuple(_differences(self.there, self.wanted)) if self.there else ()


def _differences(there: Flavor, wanted: Flavor) -> Iterator[Difference]:
    for name in ("ram", "vcpus", "disk"):
        if getattr(there, name) != getattr(wanted, name):
            yield Difference(name, getattr(there, name), getattr(wanted, name))
    for key in sorted(there.extra_specs.keys() | wanted.extra_specs.keys()):
        old, new = there.extra_specs.get(key), wanted.extra_specs.get(key)
        if old != new:
            yield Difference(f"extra_specs {key}", old, new)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the flavors of the file ``path``, of the form FLAVORS.

    Raises InvalidInputError with every problem of the file.
    """
    # Imported here, as --help needs none of it and is to be quick.
    from altostratus.yamlfile import document, schema
    from altostratus.yamlfile.problems import Report

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


def apply(nova: Nova, change: Change) -> str:
    """Carry out ``change`` and return the flavor's id; if that fails, nothing is changed."""
    there, wanted = change.there, change.wanted
    if there is None:
        return nova.create_flavor(wanted).id
    if change.kind == "updated":
        nova.set_extra_specs(there, wanted.extra_specs)
    elif change.kind == "replaced":
        # What the file does not speak of stays, also the id: others may refer to it.
        new = replace(there, ram=wanted.ram, vcpus=wanted.vcpus, disk=wanted.disk)
        _replace(nova, there, replace(new, extra_specs=wanted.extra_specs))
    return there.id


def _replace(nova: Nova, old: Flavor, new: Flavor) -> None:
    projects = nova.flavor_projects(old)
    trial = replace(new, id="", name=f"setup-flavors-{uuid.uuid4()}", public=False)
    nova.delete_flavor(nova.create_flavor(trial))
    with undone(f"{_described(old)} is gone", lambda: _put_back(nova, old, projects)):
        nova.delete_flavor(old)
        nova.create_flavor(new, projects)


def _put_back(nova: Nova, old: Flavor, projects: Sequence[str]) -> None:
    # An answer that got lost may have been a success.
    there = {one.id: one for one in nova.flavors()}.get(old.id)
    if there == old:
        return
    if there is not None:
        nova.delete_flavor(there)
    nova.create_flavor(old, projects)


def _described(flavor: Flavor) -> str:
    """Return the arguments of ``openstack flavor create`` that would make ``flavor``."""
    specs = " ".join(f"--property {key}={value}" for key, value in flavor.extra_specs.items())
    return (
        f"the flavor {flavor.name} (--id {flavor.id} --ram {flavor.ram} --vcpus {flavor.vcpus} "
        f"--disk {flavor.disk}{' ' if specs else ''}{specs})"
    )


def _parser() -> CommandParser:
    does = "Create flavors, and change those that differ."
    return command.parser(
        "setup-flavors", does, "flavors", "the flavors, as generate-stacks writes them"
    )


def _run(args: argparse.Namespace) -> int:
    flavors = read(args.flavors)
    nova = Nova(session.current("setup-flavors"))
    changes = plan(nova, flavors)
    done = command.carry_out(changes, lambda one: apply(nova, one), args.dry_run, args.json)
    return command.finish("flavors", done, args)


if __name__ == "__main__":
    sys.exit(main())
