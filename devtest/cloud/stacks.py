# SPDX-License-Identifier: Apache-2.0
"""Heat stacks of the undercloud: create or update one, follow it, say why it failed.

The template and the environments are read and merged as ``openstack stack create -t … -e …`` does
(heatclient.common.template_utils), so that either can continue what the other began.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.errors import AltostratusError

if TYPE_CHECKING:
    from openstack.connection import Connection

# Deep enough for: root → group → instance → its resources.
NESTED_DEPTH = 4
POLL = 2.0
# Reasons of failures that are none.
RETRIED = "Worker went down"
OVERTAKEN = re.compile(r"(.*: )?Stack \w+ cancelled")
# The reason of an update that is none yet (heat.common.exception.UpdateReplace).
REPLACED = "requires replacement"
# A stack carries the digest of its input in a tag: an unchanged one is not updated.
TAG = "altostratus-"


@dataclass(frozen=True)
class Event:
    """Something that happened to a resource."""

    id: str
    resource: str
    status: str
    reason: str
    physical_id: str

    @property
    def failed(self) -> bool:
        """Whether the resource failed.

        What a Heat engine was doing when it ended does not count: Heat does it again
        (heat.engine.check_resource, "Worker went down"). Nor does what a newer update ends.
        """
        no_failure = self.reason.startswith(RETRIED) or OVERTAKEN.match(self.reason)
        return self.status.endswith("_FAILED") and not no_failure

    @property
    def done(self) -> bool:
        """Whether the resource is now as the template wants it.

        Heat calls the update complete of a resource that it has yet to replace.
        """
        ready = self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return ready and REPLACED not in self.reason

    def begins_update_of(self, stack: str) -> bool:
        """Whether the whole ``stack`` began an update; its own events bear its name."""
        return (self.resource, self.status) == (stack, "UPDATE_IN_PROGRESS")


def client(undercloud: Connection) -> Any:
    """Return a python-heatclient for the undercloud's Heat."""
    from heatclient.client import Client

    return Client("1", session=undercloud.session, region_name=undercloud.config.region_name)


def compose(template: Path, environments: Sequence[Path]) -> dict[str, Any]:
    """Return the arguments of stack create and update: template, environment, files.

    Later environments win. Paths inside them are relative to the file that has them.
    """
    from heatclient.common import template_utils

    tracker: list[str] = []
    files, text = template_utils.process_template_path(str(template))
    more, environment = template_utils.process_multiple_environments_and_files(
        env_paths=[str(path) for path in environments], env_list_tracker=tracker
    )
    return {
        "template": text,
        "environment": environment,
        "environment_files": tracker,
        "files": {**files, **more},
    }


def fingerprint(request: dict[str, Any]) -> str:
    """Return the tag that says what a stack was made from."""
    text = json.dumps(request, sort_keys=True, default=str)
    return TAG + hashlib.sha256(text.encode()).hexdigest()[:16]


def find(heat: Any, name: str) -> Any | None:
    """Return the stack called ``name``, or None."""
    from heatclient.exc import HTTPNotFound

    try:
        return heat.stacks.get(name, resolve_outputs=False)
    except HTTPNotFound:
        return None


def apply(heat: Any, name: str, request: dict[str, Any], timeout: float) -> str | None:
    """Create the stack, or update it where it differs; return the last event before that.

    Returns None for a new stack. A stack whose creation failed holds nothing of value and is made
    anew; one that is being created or updated without a failure so far is left alone.
    """
    minutes = max(1, round(timeout / 60))
    tag = fingerprint(request)
    fields = {**request, "tags": tag, "timeout_mins": minutes, "disable_rollback": True}
    stack = find(heat, name)
    before = events(heat, name, "") if stack is not None else []
    if stack is not None and _worthless(stack.stack_status, before):
        delete(heat, name)
        stack = None
    if stack is None:
        heat.stacks.create(stack_name=name, **fields)
        return None
    same = tag in (stack.tags or [])
    if same and stack.stack_status == "CREATE_IN_PROGRESS":
        return ""
    if same and stack.stack_status == "UPDATE_IN_PROGRESS":
        recent = _of_last_update(name, before)
        if recent and not any(event.failed for event in recent):
            return recent[0].id
    if not (same and stack.stack_status.endswith("_COMPLETE")):
        heat.stacks.update(stack.id, **fields)
    return before[-1].id if before else ""


def _worthless(status: str, before: Sequence[Event]) -> bool:
    action, _, result = status.partition("_")
    if action not in ("CREATE", "DELETE", "ROLLBACK"):
        return False
    return result == "FAILED" or (action == "CREATE" and any(event.failed for event in before))


def _of_last_update(name: str, before: Sequence[Event]) -> Sequence[Event]:
    """Return the events since the stack's last update began, with that one; none before any."""
    begins = [place for place, event in enumerate(before) if event.begins_update_of(name)]
    return before[begins[-1] :] if begins else ()


def delete(heat: Any, name: str, timeout: float = 300.0) -> None:
    """Delete the stack and wait until it is gone."""
    stack = find(heat, name)
    if stack is None:
        return
    identity = stack.id
    heat.stacks.delete(identity)
    deadline = time.monotonic() + timeout
    while (stack := find(heat, identity)) is not None and stack.stack_status != "DELETE_COMPLETE":
        if stack.stack_status == "DELETE_FAILED":
            raise AltostratusError(
                f"the stack {name} cannot be deleted: {stack.stack_status_reason}"
            )
        if time.monotonic() > deadline:
            raise AltostratusError(f"the stack {name} is not deleted after {timeout:.0f} s")
        time.sleep(POLL)


def events(heat: Any, name: str, after: str) -> list[Event]:
    """Return the events of the stack and all nested ones, oldest first, later than ``after``."""
    arguments: dict[str, Any] = {"nested_depth": NESTED_DEPTH, "sort_dir": "asc"}
    if after:
        arguments["marker"] = after
    return [
        Event(
            id=event.id,
            resource=event.resource_name,
            status=event.resource_status,
            reason=event.resource_status_reason or "",
            physical_id=event.physical_resource_id or "",
        )
        for event in heat.events.list(name, **arguments)
    ]


def follow(heat: Any, name: str, after: str, timeout: float) -> Iterator[list[Event]]:
    """Yield what is new every POLL seconds (nothing: an empty list), until the stack is complete.

    Ends normally when it is complete; raises AltostratusError when it has failed or after
    ``timeout`` seconds. The caller may stop earlier, at a failure that it sees in the events.
    """
    deadline = time.monotonic() + timeout
    while True:
        # The status first: all that led to it is then among the events.
        stack = heat.stacks.get(name, resolve_outputs=False)
        batch = events(heat, name, after)
        if batch:
            after = batch[-1].id
        yield batch
        if stack.stack_status in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return
        if stack.stack_status.endswith("_FAILED"):
            raise AltostratusError(
                f"the stack {name} is {stack.stack_status}: {stack.stack_status_reason}"
            )
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(POLL)


def listed(undercloud: Connection) -> list[Any]:
    """Return the undercloud's stacks, without nested ones."""
    return list(client(undercloud).stacks.list())


def resources(heat: Any, name: str) -> list[Any]:
    """Return every resource of the stack and its nested stacks, as heatclient has them."""
    return list(heat.resources.list(name, nested_depth=NESTED_DEPTH))
