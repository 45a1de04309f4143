# SPDX-License-Identifier: Apache-2.0
"""Verify with real clients that a deployed cloud works.

Which checks run depends on the services of the cloud.
"""

from __future__ import annotations

import io
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from altostratus.clients import heat as heat_api
from altostratus.clients.errors import translated
from altostratus.clients.glance import Glance
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest import clouds
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

# Bytes of the image that Glance stores: more than one chunk of glanceclient.
IMAGE_SIZE = 3 * 1024 * 1024


@dataclass(frozen=True)
class Deployed:
    """A deployed cloud: its services, its instances, and their hypervisor types by name."""

    workspace: Workspace
    undercloud: Connection
    cloud: str
    services: frozenset[str]
    instances: tuple[Instance, ...]
    hypervisors: dict[str, str]


@dataclass(frozen=True)
class Check:
    """One check, which runs if the cloud has ``service`` (empty: always)."""

    name: str
    service: str
    prove: Callable[[Deployed], None]


def placed(deployed: Deployed) -> None:
    """Each server is on a nova-compute of its role's hypervisor type (``<node>-<type>``)."""
    for instance in deployed.instances:
        kind = deployed.hypervisors[instance.name]
        if instance.status != "ACTIVE" or not instance.host.endswith(f"-{kind}"):
            raise AltostratusError(
                f"{instance.name} is {instance.status} on '{instance.host}', "
                f"not ACTIVE on a host <node>-{kind}"
            )


def configured(deployed: Deployed) -> None:
    """Each instance applied its deployment, as Heat and the instance itself report."""
    heat = stacks.client(deployed.undercloud)
    for instance in deployed.instances:
        deployments = heat_api.deployments(heat, server_id=instance.id)
        states = sorted({deployment.status for deployment in deployments})
        if states != ["COMPLETE"]:
            raise AltostratusError(
                f"{instance.name}: its deployments are {', '.join(states) or 'missing'} in Heat",
                f"devtest logs {instance.name}",
            )
        report = instances.refresh_report(deployed.workspace, instance)
        if report.get("state") != "applied":
            raise AltostratusError(
                f"{instance.name}: os-refresh-config reports {report.get('state', 'nothing')}",
                f"devtest logs {instance.name}",
            )


def running(deployed: Deployed) -> None:
    """Each instance has booted completely: no systemd unit failed."""
    for instance in deployed.instances:
        state, *units = instances.system_state(deployed.workspace, instance)
        if state != "running":
            raise AltostratusError(
                f"{instance.name}: its systemd is {state}; failed: {', '.join(units) or 'none'}",
                f"devtest ssh {instance.name} systemctl status",
            )


def issues_token(deployed: Deployed) -> None:
    """Keystone issues a token for the user admin, and accepts it."""
    connection = clouds.connect(deployed.workspace, deployed.cloud)
    with translated("Keystone"):
        token = connection.session.get_token()
        shown = connection.identity.get("/auth/tokens", headers={"X-Subject-Token": token})
    name = shown.json()["token"]["user"]["name"] if shown.status_code == 200 else ""
    if name != "admin":
        raise AltostratusError(f"Keystone does not accept its own token: HTTP {shown.status_code}")


def keeps_image(deployed: Deployed) -> None:
    """Glance stores an image and returns the same bytes."""
    glance = Glance(clouds.connect(deployed.workspace, deployed.cloud).config)
    content = secrets.token_bytes(IMAGE_SIZE)
    name = f"devtest-{secrets.token_hex(4)}"
    image_id = glance.create({"name": name, "disk_format": "raw", "container_format": "bare"})
    try:
        glance.send(image_id, io.BytesIO(content))
        if glance.data(image_id) != content:
            raise AltostratusError("Glance returned other bytes than it was given")
    finally:
        glance.delete(image_id)


CHECKS = (
    Check("each server is on its hypervisor type", "", placed),
    Check("each instance applied its deployment", "", configured),
    Check("each instance runs without failed units", "", running),
    Check("keystone issues a token", "keystone", issues_token),
    Check("glance stores an image", "glance", keeps_image),
)


def verify(deployed: Deployed, progress: Progress) -> list[str]:
    """Run the checks that apply and return their names.

    Raises AltostratusError at the first that fails.
    """
    if not deployed.instances:
        raise AltostratusError(f"the cloud {deployed.cloud} has no instance", "devtest deploy")
    done = []
    for check in CHECKS:
        if not check.service or check.service in deployed.services:
            with progress.step(f"verify: {check.name}"):
                check.prove(deployed)
            done.append(check.name)
    return done
