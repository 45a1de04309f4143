# SPDX-License-Identifier: Apache-2.0
"""What the undercloud must know before a cloud is deployed in it: limits and ssh key."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from altostratus.errors import AltostratusError
from altostratus.process import run
from devtest.undercloud.instances import KEYPAIR
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

COMPUTE_LIMITS = ("cores", "ram", "instances")
NETWORK_LIMITS = ("network", "subnet", "port")
UNLIMITED = -1
# Seconds.
HYPERVISOR_TIMEOUT = 120.0
# Nova's microversion: from 2.88 on the list asks each nova-compute for its uptime, and fails while
# one is busy starting its instances.
HYPERVISORS_VERSION = "2.53"


def lift_quotas(undercloud: Connection) -> None:
    """Take the limits off the project: the machine is the limit."""
    project = undercloud.current_project_id
    undercloud.set_compute_quotas(project, **dict.fromkeys(COMPUTE_LIMITS, UNLIMITED))
    undercloud.set_network_quotas(project, **dict.fromkeys(NETWORK_LIMITS, UNLIMITED))


def compute_hosts(undercloud: Connection) -> set[str]:
    """Return the hosts that Nova can place servers on: mapped to a cell, their nova-compute up."""
    answer = undercloud.compute.get("/os-hypervisors/detail", microversion=HYPERVISORS_VERSION)
    listed = answer.json()["hypervisors"] if answer.ok else []
    return {each["service"]["host"] for each in listed if each["state"] == "up"}


def await_hypervisors(undercloud: Connection, kinds: Collection[str]) -> None:
    """Wait until servers can be placed on a host of each hypervisor type (``<node>-<type>``).

    A nova-compute that has just started is known to Nova's scheduler only when its host has been
    mapped to a cell, and listed by the API only then.
    """
    deadline = time.monotonic() + HYPERVISOR_TIMEOUT
    while True:
        hosts = compute_hosts(undercloud)
        missing = [kind for kind in kinds if not any(host.endswith(f"-{kind}") for host in hosts)]
        if not missing:
            return
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"no nova-compute of type {', '.join(missing)} after {HYPERVISOR_TIMEOUT:.0f} s",
                f"devtest undercloud enter journalctl -u nova-compute-{missing[0]}",
            )
        time.sleep(1)


def ensure_key(workspace: Workspace) -> str:
    """Make the ssh key pair of this workspace unless it is there; return the public key."""
    public = workspace.key.with_suffix(".pub")
    if not (workspace.key.exists() and public.exists()):
        workspace.key.unlink(missing_ok=True)
        workspace.key.parent.mkdir(parents=True, exist_ok=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "devtest"]
        run([*make, "-f", str(workspace.key)])
    return public.read_text().strip()


def upload_key(undercloud: Connection, public: str) -> None:
    """Give Nova the public key; one of the same name that differs is replaced."""
    known = undercloud.compute.find_keypair(KEYPAIR)
    if known and known.public_key.split()[:2] == public.split()[:2]:
        return
    if known:
        undercloud.compute.delete_keypair(known)
    undercloud.compute.create_keypair(name=KEYPAIR, public_key=public)
