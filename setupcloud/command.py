# SPDX-License-Identifier: Apache-2.0
"""What setup-neutron, setup-flavors and register-nodes have in common.

Each compares a file with the cloud, which yields changes; then it makes the changes, one after
another, and says of each what was done, or with ``--dry-run`` what would be done.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from altostratus import jsonoutput
from altostratus.clients.session import CREDENTIALS
from altostratus.console import CommandParser
from altostratus.errors import AltostratusError

NAME = {
    "type": "string",
    "minLength": 1,
    "pattern": r"^[^\s\x00-\x1f\x7f]([^\x00-\x1f\x7f]{0,253}[^\s\x00-\x1f\x7f])?$",
    "title": "a name of at most 255 characters, without blanks around it",
}
"""Names that Nova and Neutron take: ``parameter_types.name`` there, and NAME_FIELD_SIZE here."""

UNCHANGED = "unchanged"
_HINT = "correct the file or the cloud, then run the command again"
# What is done, and what would be.
_FUTURE = {"created": "create", "updated": "update", "replaced": "replace"}


@dataclass(frozen=True)
class Difference:
    """One field that is ``old`` in the cloud and is to be ``new``; None is nothing.

    The values of a ``secret`` one are never shown.
    """

    field: str
    old: Any
    new: Any
    secret: bool = False

    def __str__(self) -> str:
        """Return ``FIELD: OLD -> NEW``."""
        if self.secret:
            return f"{self.field}: another one"
        return f"{self.field}: {_shown(self.old)} -> {_shown(self.new)}"

    def plain(self) -> dict[str, Any]:
        """Return it for ``--json``; a secret one has no values there."""
        values = {} if self.secret else {"old": _hidden(self.old), "new": _hidden(self.new)}
        return {"field": self.field, **values}


class Change(Protocol):
    """What has to be done for one thing of the file."""

    @property
    def label(self) -> str:
        """The name for the user."""

    @property
    def known_id(self) -> str | None:
        """The id of the thing, None if it does not exist."""

    @property
    def kind(self) -> str:
        """What is done: created, updated, replaced or unchanged."""

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What differs, where the thing exists."""


@dataclass
class Done:
    """What came of a Change: ``id`` in the cloud if known, ``error`` if it failed."""

    change: Any
    id: str | None = None
    error: AltostratusError | None = None


def parser(command: str, does: str, what: str, text: str) -> CommandParser:
    """Return the parser of ``command``, which ``does`` something with a file of ``what``.

    For ``networks`` it takes ``-n/--networks networks.json``, with the help ``text``,
    ``--dry-run`` and ``--json``.
    """
    made = CommandParser(prog=command, description=f"{does} {CREDENTIALS}")
    made.add_argument(
        f"-{what[0]}", f"--{what}", metavar=f"{what}.json", type=Path, required=True, help=text
    )
    made.add_argument(
        "--dry-run", action="store_true", help="print what would be done and change nothing"
    )
    jsonoutput.add_option(made)
    return made


def line(change: Change, dry_run: bool) -> str:
    """Return the line of text for ``change``."""
    if change.kind == UNCHANGED or not dry_run:
        return f"{change.kind} {change.label}"
    differing = ", ".join(map(str, change.differences))
    return f"would {_FUTURE[change.kind]} {change.label}" + (f": {differing}" if differing else "")


def carry_out(
    changes: Iterable[Any], apply: Callable[[Any], str | None], dry_run: bool, quiet: bool = False
) -> list[Done]:
    """Apply each change, unless it is a ``dry_run``, and print its line unless ``quiet``.

    ``apply`` returns the id. A change that fails is no reason to leave out those after it, unless
    nothing would succeed: no answer, or no permission.
    """
    done: list[Done] = []
    for change in changes:
        one = Done(change, change.known_id)
        done.append(one)
        if not dry_run:
            try:
                one.id = apply(change)
            except AltostratusError as error:
                one.error = error
                if getattr(error, "status", 0) in (None, 401, 403):
                    break
                continue
        if not quiet:
            print(line(change, dry_run), flush=True)
    return done


def finish(
    what: str,
    done: Sequence[Done],
    args: argparse.Namespace,
    further: Mapping[str, Mapping[str, Any]] | None = None,
) -> int:
    """Print the JSON document of kind ``what`` if ``args`` ask for it, and return 0.

    ``further`` maps labels to fields that this command has in addition (docs/json.md). Raises one
    AltostratusError for everything that failed, with each reason.
    """
    if args.json:
        more = further or {}
        items = [{**_item(one, args.dry_run), **more.get(one.change.label, {})} for one in done]
        jsonoutput.print_report(what, {"dry_run": args.dry_run, what: items})
    failed = [(one.change.label, one.error) for one in done if one.error]
    if len(failed) == 1:
        label, error = failed[0]
        raise AltostratusError(f"{error.message}: {label} is not set up", error.hint or _HINT)
    if failed:
        raise AltostratusError(
            "\n".join(f"{label}: {error.message}" for label, error in failed), _HINT
        )
    return 0


def _item(one: Done, dry_run: bool) -> dict[str, Any]:
    change = one.change
    failed = {"error": one.error.message} if one.error else {}
    return {
        "name": change.label,
        "action": _FUTURE.get(change.kind, "none"),
        "done": not (dry_run or one.error or change.kind == UNCHANGED),
        "id": one.id,
        "differences": [each.plain() for each in change.differences],
        **failed,
    }


def _hidden(value: Any) -> Any:
    """Return ``value`` without the password that an address may have in it."""
    return re.sub(r"//[^/@\s]*@", "//…@", value) if isinstance(value, str) else value


def _shown(value: Any) -> str:
    if value is None or value == "":
        return "none"
    if isinstance(value, list):
        return "[" + ", ".join(map(_shown, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_shown(item)}" for key, item in value.items()) + "}"
    text = str(value).lower() if isinstance(value, bool) else str(_hidden(value))
    return text if text.isprintable() else ascii(text)
