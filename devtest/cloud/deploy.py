# SPDX-License-Identifier: Apache-2.0
"""Deploy a cloud: follow its Heat stack until it is complete or an instance reports failure."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altostratus.clients import heat as heat_api
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
# Seconds without news until the user is told what Heat waits for: emulated machines take minutes.
SILENCE = 60.0


@dataclass(frozen=True)
class Member:
    """A Heat resource of an instance: ``kind`` is SERVER or DEPLOYMENT."""

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

    ``timeout`` is in seconds. Raises AltostratusError as soon as an instance reports failure, with
    the instance, the step and its log lines; Heat itself would wait for the other instances.
    """
    generated = workspace.generated(cloud)
    # The resource registry, then all parameters: they win over the defaults beside the registry.
    environments = [generated.environment, generated.directory / heatenv.MERGED]
    request = stacks.compose(generated.template, environments)
    heat = stacks.client(undercloud)
    before = stacks.apply(heat, cloud, request, timeout) or ""
    try:
        with progress.activity("waiting for the instances"):
            _follow(undercloud, heat, cloud, progress, stacks.follow(heat, cloud, before, timeout))
    except TimeoutError:
        raise _late(undercloud, heat, cloud, timeout) from None


def _follow(
    undercloud: Connection,
    heat: Any,
    cloud: str,
    progress: Progress,
    batches: Iterable[list[stacks.Event]],
) -> None:
    """Print what the events mean, and what Heat waits for; raise the error of the first failure."""
    started = heard = time.monotonic()
    for batch in batches:
        now = time.monotonic()
        if _report(undercloud, heat, progress, batch):
            heard = now
        elif now - heard > SILENCE:
            heard = now
            waiting = "; ".join(_awaited(undercloud, heat, cloud)) or "Heat"
            progress.note(f"after {now - started:.0f} s: {waiting}")
        for event in batch:
            if event.failed:
                raise explain(undercloud, heat, cloud, event)


def _members(undercloud: Connection, heat: Any) -> dict[str, Member]:
    """Return the servers and deployments of all instances by their physical ids."""
    servers = {each.id: each for each in instances.list_instances(undercloud)}
    found = {each.id: Member(each, SERVER) for each in servers.values()}
    for deployment in heat_api.deployments(heat):
        if deployment.server_id in servers:
            found[deployment.id] = Member(servers[deployment.server_id], DEPLOYMENT)
    return found


def _report(
    undercloud: Connection, heat: Any, progress: Progress, batch: list[stacks.Event]
) -> bool:
    """Print which instances boot and which are configured; return whether there were any."""
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
    """Return the servers and deployments that Heat still works on, ordered by instance."""
    members = _members(undercloud, heat)
    found = [
        members[resource.physical_resource_id]
        for resource in stacks.resources(heat, cloud)
        if resource.resource_status.endswith("_IN_PROGRESS")
        and resource.physical_resource_id in members
    ]
    return sorted(found, key=lambda member: member.instance.name)


def _awaited(undercloud: Connection, heat: Any, cloud: str) -> list[str]:
    """Return what the stack waits for, such as ``db-0 has not reported yet``."""
    words = {SERVER: "is being created", DEPLOYMENT: "has not reported yet"}
    return [
        f"{member.instance.name} {words[member.kind]}"
        for member in _unfinished(undercloud, heat, cloud)
    ]


def explain(undercloud: Connection, heat: Any, cloud: str, event: stacks.Event) -> AltostratusError:
    """Return the error that names the instance that failed, the step, and its log lines."""
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
    outputs = heat_api.outputs(heat, event.physical_id)
    text = outputs.get("deploy_stderr") or outputs.get("deploy_stdout") or event.reason
    # The instance's report: "SCRIPT failed", then the end of its log (element os-config-agents).
    step, *log = str(text).strip().splitlines() or ["its configuration failed"]
    lines = "\n".join([step, *log[-LOG_LINES:]])
    return AltostratusError(
        f"{name}: {lines}",
        f"devtest logs {name} shows all of it; devtest ssh {name} opens a shell",
    )


def _late(undercloud: Connection, heat: Any, cloud: str, timeout: float) -> AltostratusError:
    """Return the error that names the instances that have not reported, with their consoles."""
    late = {each.instance.name: each.instance for each in _unfinished(undercloud, heat, cloud)}
    lines = [f"the stack {cloud} is not complete after {timeout:.0f} s"]
    for name, instance in late.items():
        lines.append(f"{name} has not reported; the end of its console:")
        lines.append(instances.console(undercloud, instance, LOG_LINES).rstrip())
    return AltostratusError("\n".join(lines), "devtest logs NAME shows an instance's journal")
