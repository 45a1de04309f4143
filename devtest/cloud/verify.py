# SPDX-License-Identifier: Apache-2.0
"""Prove with the real clients that a deployed cloud works.

What is checked follows from the services in the cloud: nothing here knows an example by name.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest import clouds
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

# Bytes of the image that goes through Glance: more than one chunk of its clients.
IMAGE_SIZE = 3 * 1024 * 1024


@dataclass(frozen=True)
class Deployed:
    """A cloud and what is known of it: its services, its instances by name and their types."""

    workspace: Workspace
    undercloud: Connection
    cloud: str
    services: frozenset[str]
    instances: tuple[Instance, ...]
    hypervisors: dict[str, str]


@dataclass(frozen=True)
class Check:
    """One proof: ``service`` must be in the cloud for it to apply (empty: always)."""

    name: str
    service: str
    prove: Callable[[Deployed], None]


def placed(deployed: Deployed) -> None:
    """Each server sits on the nova-compute of its role's hypervisor type (``<node>-<type>``)."""
    for instance in deployed.instances:
        kind = deployed.hypervisors[instance.name]
        if instance.status != "ACTIVE" or not instance.host.endswith(f"-{kind}"):
            raise AltostratusError(
                f"{instance.name} is {instance.status} on '{instance.host}', "
                f"not ACTIVE on a host <node>-{kind}"
            )


def configured(deployed: Deployed) -> None:
    """Each instance applied its deployment: Heat and the instance itself say so."""
    heat = stacks.client(deployed.undercloud)
    for instance in deployed.instances:
        deployments = heat.software_deployments.list(server_id=instance.id)
        states = sorted({deployment.status for deployment in deployments})
        if states != ["COMPLETE"]:
            raise AltostratusError(
                f"{instance.name}: its deployments are {', '.join(states) or 'missing'} in Heat",
                f"devtest logs {instance.name}",
            )
        report = instances.refresh_report(deployed.workspace, instance)
        if report.get("state") != "applied":
            raise AltostratusError(
                f"{instance.name}: os-refresh-config says {report.get('state', 'nothing')}",
                f"devtest logs {instance.name}",
            )


def running(deployed: Deployed) -> None:
    """Each instance's systemd has booted it whole: no unit failed."""
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
    token = connection.session.get_token()
    shown = connection.identity.get("/auth/tokens", headers={"X-Subject-Token": token})
    name = shown.json()["token"]["user"]["name"] if shown.status_code == 200 else ""
    if name != "admin":
        raise AltostratusError(f"Keystone does not accept its own token: HTTP {shown.status_code}")


def keeps_image(deployed: Deployed) -> None:
    """Glance stores an image and gives back the same bytes."""
    connection = clouds.connect(deployed.workspace, deployed.cloud)
    content = secrets.token_bytes(IMAGE_SIZE)
    image = connection.image.create_image(
        name=f"devtest-{secrets.token_hex(4)}",
        data=content,
        disk_format="raw",
        container_format="bare",
        validate_checksum=False,
    )
    try:
        back: Any = connection.image.download_image(image)
        if hashlib.sha256(back.content).digest() != hashlib.sha256(content).digest():
            raise AltostratusError("Glance gave back other bytes than it was given")
    finally:
        connection.image.delete_image(image)


CHECKS = (
    Check("each server sits on its hypervisor", "", placed),
    Check("each instance applied its deployment", "", configured),
    Check("each instance runs whole", "", running),
    Check("keystone issues a token", "keystone", issues_token),
    Check("glance keeps an image", "glance", keeps_image),
)


def verify(deployed: Deployed, progress: Progress) -> list[str]:
    """Run every check that applies and return their names.

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
