# SPDX-License-Identifier: Apache-2.0
"""What a cloud needs of the machine, together with the undercloud and the clouds that are there.

Measured on examples (docs/performance.md) and rounded up. A container rarely uses its flavor's
memory, so it counts with at most CONTAINER; a machine's is used up by the page cache sooner or
later, so it counts wholly.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from altostratus.hypervisors import HYPERVISORS, Layout
from devtest.cloud import heatenv
from devtest.undercloud import nodes
from devtest.workspace import Workspace
from generator.cloudfile.model import Cloud, camel_case

MIB = 1024**2
GIB = 1024**3
# Bytes: the undercloud with its four types; another node; an instance in a container, at most; what
# a virtual machine has besides its memory.
UNDERCLOUD = 4608 * MIB
NODE = 512 * MIB
CONTAINER = 384 * MIB
EMULATOR = 100 * MIB
# Bytes on disk: the undercloud itself; an image in the cache and the state (one file), in Glance
# and on the node; an instance's own disk.
UNDERCLOUD_DISK = 4 * GIB
COPY = GIB // 2
CACHE_DISK = 6 * GIB
# Instances with this layout of their image have their disk on a loop device.
LOOPED = Layout.FILE_SYSTEM


@dataclass(frozen=True)
class Group:
    """The instances of one role: hypervisor type, number, memory of the flavor in MiB."""

    hypervisor: str
    count: int
    ram: int

    @property
    def contained(self) -> bool:
        """Whether they share the host's kernel, and so its limits."""
        return HYPERVISORS[self.hypervisor].layout is not Layout.DISK

    @property
    def memory(self) -> int:
        """Bytes of memory for all of them."""
        own = self.ram * MIB
        return self.count * (min(own, CONTAINER) if self.contained else own + EMULATOR)


@dataclass(frozen=True)
class Needs:
    """What the undercloud, ``nodes`` further nodes and the instances of ``groups`` need."""

    groups: tuple[Group, ...]
    nodes: int = 0

    @property
    def guests(self) -> int:
        """How many inits run on the host's kernel besides the undercloud's."""
        return self.nodes + sum(each.count for each in self.groups if each.contained)

    @property
    def memory(self) -> int:
        """Bytes of memory."""
        return UNDERCLOUD + self.nodes * NODE + sum(each.memory for each in self.groups)

    @property
    def loops(self) -> int:
        """Loop devices: one for each instance on lxc, and for the root of each node."""
        looped = [one for one in self.groups if HYPERVISORS[one.hypervisor].layout is LOOPED]
        return 1 + self.nodes + sum(each.count for each in looped)

    @property
    def state_disk(self) -> int:
        """Bytes below the state directory."""
        instances = sum(each.count for each in self.groups)
        return UNDERCLOUD_DISK + COPY * (2 * len(self.groups) + instances)

    @property
    def cache_disk(self) -> int:
        """Bytes below the cache directory."""
        return CACHE_DISK + GIB * len(self.groups)

    @property
    def types(self) -> list[str]:
        """The hypervisor types, in the order of the table of types."""
        used = {each.hypervisor for each in self.groups if each.count}
        return [name for name in HYPERVISORS if name in used]


def of(workspace: Workspace, cloud: Cloud | None = None) -> Needs:
    """Return what all clouds of the workspace need, with ``cloud`` as it is going to be."""
    others = [name for name in deployed(workspace) if not cloud or name != cloud.name]
    groups = [group for name in others for group in _generated(workspace, name)]
    if cloud:
        groups += [Group(one.hypervisor, one.count, one.flavor.ram) for one in cloud.roles.values()]
    return Needs(tuple(groups), len(nodes.containers(workspace)))


def deployed(workspace: Workspace) -> list[str]:
    """Return the names of the clouds that were loaded into the undercloud, deployed or not yet."""
    return sorted(path.parent.name for path in workspace.stacks("").glob(f"*/{heatenv.IMAGES}"))


def _generated(workspace: Workspace, name: str) -> list[Group]:
    generated = workspace.generated(name)
    counts = generated.counts(heatenv.kept(workspace, name).parameters)
    flavors = json.loads(generated.flavors.read_text(encoding="utf-8"))["flavors"]
    ram = {each["name"]: each["ram"] for each in flavors}
    return [
        Group(image.hypervisor, counts[role], ram[generated.defaults[f"{camel_case(role)}Flavor"]])
        for role, image in generated.roles.items()
    ]
