# SPDX-License-Identifier: Apache-2.0
"""What is really on the undercloud's node, beside what Nova, Neutron and Placement say."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from devtest import container, undercloud
from devtest.container import loops
from devtest.workspace import Workspace

if TYPE_CHECKING:
    from openstack.connection import Connection

ON_NODE = (
    "running",
    "shutoff",
    "container",
    "image",
    "mount",
    "port",
    "link",
    "namespace",
    "directory",
)
# One shell for all: each line is "KIND WHAT". Absent hypervisors say nothing.
LOOK = r"""
for type in lxc kvm; do
    if [ -e /run/altostratus/$type/pid ]; then
        in-hypervisor $type sh -c '. /etc/nova/compute/nova-'$type'.env
            for state in running shutoff; do
                virsh -q -c $LIBVIRT_DEFAULT_URI list --uuid --state-$state |
                    sed "/^$/d;s/^/$state /"
            done'
        grep -o "/[^ ]*/instances/[^ ]*" "/proc/$(cat /run/altostratus/$type/pid)/mounts" |
            sed 's/^/mount /'
    fi
done
if systemctl -q is-active docker.service; then
    docker ps --all --format "container {{.Names}}"
    docker images --no-trunc --format "image {{.Repository}}:{{.Tag}}@{{.ID}}"
    docker ps --format "running {{.Names}}" |
        sed -n 's/nova-\([^-]*-[^-]*-[^-]*-[^-]*-[^-]*\)$/\1/p'
fi
ovs-vsctl list-ports br-int | grep '^tap' | sed 's/^/port /'
ip -o link | sed -n 's/^[0-9]*: \(tap[^:@]*\|vnet[^:@]*\|nd[^:@]*\).*/link \1/p'
ip netns list | sed 's/ .*//;s/^/namespace /'
for path in /var/lib/nova-*/instances/*-*-*-*-*; do [ ! -e "$path" ] || echo "directory $path"; done
"""


@dataclass(frozen=True)
class Reality:
    """Everything that a server can leave behind, each as a set of names."""

    running: frozenset[str]
    shutoff: frozenset[str]
    container: frozenset[str]
    image: frozenset[str]
    """Docker's, but for those that it keeps for the next servers."""
    mount: frozenset[str]
    port: frozenset[str]
    link: frozenset[str]
    namespace: frozenset[str]
    directory: frozenset[str]
    loop: frozenset[str]
    neutron: frozenset[str]
    allocation: frozenset[str]
    machine: frozenset[str]

    def added(self, later: Reality) -> dict[str, list[str]]:
        """Return what ``later`` has and this one has not, by kind; empty if nothing."""
        kinds = {
            each.name: sorted(getattr(later, each.name) - getattr(self, each.name))
            for each in fields(self)
        }
        return {kind: names for kind, names in kinds.items() if names}


def take(workspace: Workspace, connection: Connection) -> Reality:
    """Look at the node, the host's loop devices, and what is known elsewhere.

    That is Neutron's ports, Placement's allocations, and Ironic's machines by their servers' ids; a
    machine that is deployed and on is taken for running.
    """
    spec = undercloud.current(workspace)
    command = container.enter_command(spec, ["bash", "-c", LOOK])
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split(maxsplit=1) for line in text.splitlines() if " " in line]
    seen = {kind: frozenset(name for found, name in rows if found == kind) for kind in ON_NODE}
    machines = [each for each in connection.baremetal.nodes(details=True) if each.instance_id]
    deployed = {
        each.instance_id
        for each in machines
        if (each.provision_state, each.power_state) == ("active", "power on")
    }
    kept = {f"nova-glance/{image.id}:latest" for image in connection.image.images()}
    images = frozenset(name for name in seen["image"] if name.partition("@")[0] not in kept)
    ports = [p for p in connection.network.ports() if p.device_owner.startswith("compute:")]
    return Reality(
        **{**seen, "running": seen["running"] | deployed, "image": images},
        loop=frozenset(loops.attached(Path(spec.state, "data"))) | _deleted(),
        neutron=frozenset(port.id for port in ports),
        allocation=frozenset(_consumers(connection)),
        machine=frozenset(each.instance_id for each in machines),
    )


def _deleted() -> frozenset[str]:
    """Return the loop devices whose file is gone."""
    command = ["losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return frozenset(line for line in lines if line.rstrip().endswith("(deleted)"))


def _consumers(connection: Connection) -> set[str]:
    found: set[str] = set()
    providers = connection.placement.get("/resource_providers").json()["resource_providers"]
    for provider in providers:
        path = f"/resource_providers/{provider['uuid']}/allocations"
        found |= set(connection.placement.get(path).json()["allocations"])
    return found
