# SPDX-License-Identifier: Apache-2.0
"""Deploy a cloud: its Heat stack, followed until it is complete or an instance reports failure."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest.cloud import heatenv, stacks
from devtest.undercloud import instances
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

# Seconds until a stack must be complete.
TIMEOUT = 1800.0
SERVER = "OS::Nova::Server"
DEPLOYMENT = "OS::Heat::StructuredDeployment"
LOG_LINES = 20
# Seconds without news until the user reads what is waited for: emulated machines take minutes.
SILENCE = 60.0


@dataclass(frozen=True)
class Member:
    """What a Heat resource is to an instance: its server, or one of its deployments."""

    instance: Instance
    kind: str


def deploy(
    workspace: Workspace,
    undercloud: Connection,
    cloud: str,
    progress: Progress,
    timeout: float = TIMEOUT,
) -> None:
    """Create or update the stack ``cloud`` and wait until it is complete.

    ``timeout`` is in seconds. Raises AltostratusError as soon as an instance reports failure (Heat
    itself would wait for the others), with the instance, the step and its log lines.
    """
    generated = workspace.generated(cloud)
    # Later ones win: the resource registry, then all parameters.
    environments = [generated.environment, generated.directory / heatenv.MERGED]
    request = stacks.compose(generated.template, environments)
    heat = stacks.client(undercloud)
    before = stacks.apply(heat, cloud, request, timeout)
    started = heard = time.monotonic()
    try:
        for batch in stacks.follow(heat, cloud, before or "", timeout):
            now = time.monotonic()
            if _tell(undercloud, heat, progress, batch):
                heard = now
            elif now - heard > SILENCE:
                heard = now
                waiting = "; ".join(_awaited(undercloud, heat, cloud)) or "Heat"
                progress.note(f"after {now - started:.0f} s: {waiting}")
            for event in batch:
                if event.failed:
                    raise explain(undercloud, heat, cloud, event)
    except TimeoutError:
        raise _late(undercloud, heat, cloud, timeout) from None


def _members(undercloud: Connection, heat: Any) -> dict[str, Member]:
    """Map the physical ids of servers and deployments to what they are."""
    servers = {each.id: each for each in instances.list_instances(undercloud)}
    found = {each.id: Member(each, SERVER) for each in servers.values()}
    for deployment in heat.software_deployments.list():
        if deployment.server_id in servers:
            found[deployment.id] = Member(servers[deployment.server_id], DEPLOYMENT)
    return found


def _tell(undercloud: Connection, heat: Any, progress: Progress, batch: list[stacks.Event]) -> bool:
    """Print which instances came up and which were configured; return whether any."""
    done = [event for event in batch if event.done]
    if not done:
        return False
    members = _members(undercloud, heat)
    words = {SERVER: "boots", DEPLOYMENT: "is configured"}
    news = [members[event.physical_id] for event in done if event.physical_id in members]
    for member in news:
        progress.note(f"{member.instance.name} {words[member.kind]}")
    return bool(news)


def _unfinished(undercloud: Connection, heat: Any, cloud: str) -> list[Member]:
    """Return the servers and deployments of the stack that Heat is still at, ordered by name."""
    members = _members(undercloud, heat)
    found = [
        members[resource.physical_resource_id]
        for resource in stacks.resources(heat, cloud)
        if resource.resource_status.endswith("_IN_PROGRESS")
        and resource.physical_resource_id in members
    ]
    return sorted(found, key=lambda member: member.instance.name)


def _awaited(undercloud: Connection, heat: Any, cloud: str) -> list[str]:
    """Say what the stack waits for: ``web-0 is being made``, ``db-0 has not reported yet``."""
    words = {SERVER: "is being made", DEPLOYMENT: "has not reported yet"}
    return [
        f"{member.instance.name} {words[member.kind]}"
        for member in _unfinished(undercloud, heat, cloud)
    ]


def explain(undercloud: Connection, heat: Any, cloud: str, event: stacks.Event) -> AltostratusError:
    """Return the error that tells which instance failed, in which step, with its log lines."""
    member = _members(undercloud, heat).get(event.physical_id)
    if member is None:
        return AltostratusError(
            f"{cloud}: {event.resource} {event.status}: {event.reason}",
            f"openstack --os-cloud undercloud stack failures list --long {cloud}",
        )
    name = member.instance.name
    if member.kind == SERVER:
        reason = member.instance.fault or event.reason
        return AltostratusError(f"{name}: the server failed: {reason}", "devtest logs undercloud")
    outputs = heat.software_deployments.get(event.physical_id).output_values or {}
    text = outputs.get("deploy_stderr") or outputs.get("deploy_stdout") or event.reason
    # The instance's report: "SCRIPT failed", then the end of its log (element os-config-agents).
    step, *log = str(text).strip().splitlines() or ["its configuration failed"]
    lines = "\n".join([step, *log[-LOG_LINES:]])
    return AltostratusError(
        f"{name}: {lines}",
        f"look at all of it: devtest logs {name}; inside: devtest ssh {name}",
    )


def _late(undercloud: Connection, heat: Any, cloud: str, timeout: float) -> AltostratusError:
    """Return the error that tells which instances have not answered, with their last messages."""
    late = {each.instance.name: each.instance for each in _unfinished(undercloud, heat, cloud)}
    lines = [f"the stack {cloud} is not complete after {timeout:.0f} s"]
    for name, instance in late.items():
        lines.append(f"{name} has not reported; the end of its console:")
        lines.append(instances.console(undercloud, instance, LOG_LINES).rstrip())
    return AltostratusError("\n".join(lines), "devtest logs NAME shows an instance's journal")
