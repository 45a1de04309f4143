# SPDX-License-Identifier: Apache-2.0
"""Heat stacks of the undercloud: create or update one, and follow it until it is complete.

Template and environments are read by heatclient.common.template_utils, as by ``openstack stack
create -t … -e …``, so that either can continue what the other began. The argument ``heat`` is
always the python-heatclient that ``client`` returns.
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

from altostratus.clients import heat as heat_api
from altostratus.errors import AltostratusError

if TYPE_CHECKING:
    from openstack.connection import Connection

# Levels of nested stacks: root → group → instance → its resources.
NESTED_DEPTH = 4
POLL = 2.0
# Reasons of events that look like failures and are none.
RETRIED = "Worker went down"
OVERTAKEN = re.compile(r"(.*: )?Stack \w+ cancelled")
# The reason of an update that is not done yet (heat.common.exception.UpdateReplace).
REPLACED = "requires replacement"
# A stack has the digest of its input as a tag: if it has not changed, the stack is not updated.
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

        Work that a Heat engine left when it stopped does not count: Heat does it again
        (heat.engine.check_resource, "Worker went down"). Nor does work that a newer update cancels.
        """
        no_failure = self.reason.startswith(RETRIED) or OVERTAKEN.match(self.reason)
        return self.status.endswith("_FAILED") and not no_failure

    @property
    def done(self) -> bool:
        """Whether the resource is now as the template describes it.

        Heat reports UPDATE_COMPLETE also for a resource that it has yet to replace.
        """
        ready = self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        return ready and REPLACED not in self.reason

    def begins_update_of(self, stack: str) -> bool:
        """Whether the whole ``stack`` began an update; its own events have its name."""
        return (self.resource, self.status) == (stack, "UPDATE_IN_PROGRESS")


def client(undercloud: Connection) -> Any:
    """Return a python-heatclient for the undercloud's Heat."""
    return heat_api.client(undercloud.config)


def compose(template: Path, environments: Sequence[Path]) -> dict[str, Any]:
    """Return the arguments of stack create and update: template, environment, files.

    Later environments win. Paths inside them are relative to the file that has them. Environments
    are merged here, not by Heat, which would keep each of them among the files of the stack: there
    ``openstack stack file list`` shows secrets, and ``parameters`` win over ``--parameter``.
    """
    from heatclient.common import template_utils

    files, text = template_utils.process_template_path(str(template))
    more, environment = template_utils.process_multiple_environments_and_files(
        env_paths=[str(path) for path in environments]
    )
    return {
        "template": text,
        "environment": environment,
        "files": {**files, **more},
    }


def fingerprint(request: dict[str, Any]) -> str:
    """Return the tag for a stack that is created or updated with ``request``."""
    text = json.dumps(request, sort_keys=True, default=str)
    return TAG + hashlib.sha256(text.encode()).hexdigest()[:16]


def find(heat: Any, name: str) -> Any | None:
    """Return the stack called ``name``, or None."""
    return heat_api.find(heat, name)


def apply(heat: Any, name: str, request: dict[str, Any], timeout: float) -> str | None:
    """Create the stack, or update it where it differs; return the last event before that.

    Returns None for a new stack. A stack whose creation failed is deleted and created again; one
    that is being created or updated from the same input, without a failure so far, is left alone.
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
        heat_api.create(heat, name, fields)
        return None
    same = tag in (stack.tags or [])
    if same and stack.stack_status == "CREATE_IN_PROGRESS":
        return ""
    if same and stack.stack_status == "UPDATE_IN_PROGRESS":
        recent = _of_last_update(name, before)
        if recent and not any(event.failed for event in recent):
            return recent[0].id
    if not (same and stack.stack_status.endswith("_COMPLETE")):
        heat_api.update(heat, stack.id, fields)
    return before[-1].id if before else ""


def _worthless(status: str, before: Sequence[Event]) -> bool:
    action, _, result = status.partition("_")
    if action not in ("CREATE", "DELETE", "ROLLBACK"):
        return False
    return result == "FAILED" or (action == "CREATE" and any(event.failed for event in before))


def _of_last_update(name: str, before: Sequence[Event]) -> Sequence[Event]:
    """Return the events since the stack's last update began, that one included."""
    begins = [place for place, event in enumerate(before) if event.begins_update_of(name)]
    return before[begins[-1] :] if begins else ()


def delete(heat: Any, name: str, timeout: float = 300.0) -> None:
    """Delete the stack and wait until it is gone."""
    stack = find(heat, name)
    if stack is None:
        return
    identity = stack.id
    heat_api.delete(heat, identity)
    deadline = time.monotonic() + timeout
    while (stack := find(heat, identity)) is not None and stack.stack_status != "DELETE_COMPLETE":
        if stack.stack_status == "DELETE_FAILED":
            raise AltostratusError(
                f"the stack {name} cannot be deleted: {stack.stack_status_reason}",
                f"openstack --os-cloud undercloud stack failures list --long {name}",
            )
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"the stack {name} is not deleted after {timeout:.0f} s",
                f"openstack --os-cloud undercloud stack resource list --nested-depth 4 {name}",
            )
        time.sleep(POLL)


def events(heat: Any, name: str, after: str) -> list[Event]:
    """Return the events of the stack and all nested ones, oldest first, later than ``after``."""
    return [
        Event(
            id=event.id,
            resource=event.resource_name,
            status=event.resource_status,
            reason=event.resource_status_reason or "",
            physical_id=event.physical_resource_id or "",
        )
        for event in heat_api.events(heat, name, NESTED_DEPTH, after)
    ]


def follow(heat: Any, name: str, after: str, timeout: float) -> Iterator[list[Event]]:
    """Yield the new events every POLL seconds, possibly none, until the stack is complete.

    Raises AltostratusError when it has failed or is gone, TimeoutError after ``timeout`` seconds.
    The caller may stop earlier, at a failure that it sees in the events.
    """
    deadline = time.monotonic() + timeout
    while True:
        # The status is read first: all events that led to it are then in the list.
        stack = find(heat, name)
        if stack is None:
            raise AltostratusError(f"the stack {name} was deleted meanwhile", "devtest deploy")
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
    return heat_api.stacks(client(undercloud))


def resources(heat: Any, name: str) -> list[Any]:
    """Return every resource of the stack and its nested stacks, as heatclient has them."""
    return heat_api.resources(heat, name, NESTED_DEPTH)
