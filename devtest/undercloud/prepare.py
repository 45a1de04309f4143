# SPDX-License-Identifier: Apache-2.0
"""Prepare the undercloud for a cloud: quotas, ssh key, hosts that take servers."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.nova import UNLIMITED, Nova
from altostratus.errors import AltostratusError
from altostratus.process import run
from devtest.undercloud.instances import KEYPAIR
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

COMPUTE_LIMITS = ("cores", "ram", "instances")
NETWORK_LIMITS = ("network", "subnet", "port")
# Seconds.
HYPERVISOR_TIMEOUT = 120.0


def lift_quotas(undercloud: Connection) -> None:
    """Remove the quotas of the project: only the machine limits it."""
    with translated("Keystone"):
        project = undercloud.current_project_id
    Nova(undercloud.config).set_quotas(project, dict.fromkeys(COMPUTE_LIMITS, UNLIMITED))
    with translated("Neutron"):
        undercloud.set_network_quotas(project, **dict.fromkeys(NETWORK_LIMITS, UNLIMITED))


def compute_hosts(undercloud: Connection) -> set[str]:
    """Return the hosts that Nova can place servers on, none while Nova answers with an error."""
    try:
        return Nova(undercloud.config).compute_hosts()
    except ServiceError as error:
        if error.status is None:
            raise
        return set()


def await_hypervisors(undercloud: Connection, kinds: Collection[str]) -> None:
    """Wait until servers can be placed on a host of each hypervisor type (``<node>-<type>``).

    Nova's scheduler knows a new nova-compute only when its host is mapped to a cell; from then on
    the API lists it, too.
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
    """Create the ssh key pair of this workspace unless it exists; return the public key."""
    public = workspace.key.with_suffix(".pub")
    if not (workspace.key.exists() and public.exists()):
        workspace.key.unlink(missing_ok=True)
        workspace.key.parent.mkdir(parents=True, exist_ok=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "devtest"]
        run([*make, "-f", str(workspace.key)])
    return public.read_text().strip()


def upload_key(undercloud: Connection, public: str) -> None:
    """Give Nova the public key (OpenSSH's format); a different one of the same name is replaced."""
    nova = Nova(undercloud.config)
    known = nova.public_key(KEYPAIR)
    # The comment, the third word, does not matter.
    if known and known.split()[:2] == public.split()[:2]:
        return
    if known:
        nova.delete_key(KEYPAIR)
    nova.create_key(KEYPAIR, public)
