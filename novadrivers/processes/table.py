# SPDX-License-Identifier: Apache-2.0
"""The types that a nova-compute process can have: one row each.

Instances have no ``altostratus.hypervisors``, so this is a table of its own; a test compares the
two, and this one with the contracts of the elements ``nova-<type>``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class ProcessType:
    """One type of nova-compute process. Fields ``old_…`` recognize it in TripleO's layout."""

    name: str
    shares_node: bool = False
    """Whether its instances use the node's memory and CPUs."""
    services: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Namespaces that it reads besides its own and ``nova``, and for each of them the leaf that
    holds the node's address."""
    old_drivers: tuple[str, ...] = ()
    """Words in ``nova.compute_driver``, in any spelling: nova.virt.ironic.IronicDriver,
    novadocker.virt.docker.DockerDriver…"""
    old_libvirt_types: tuple[str, ...] = ()
    """Values of ``nova.compute_libvirt_type``, for drivers that are libvirt's."""
    old_leaf: str | None = None
    """A leaf of ``nova:`` that only this type had."""

    @property
    def namespace(self) -> str:
        """The key of its settings in the metadata."""
        return f"nova-{self.name}"


_ROWS = (
    ProcessType("kvm", shares_node=True, old_libvirt_types=("kvm", "qemu")),
    ProcessType("lxc", shares_node=True, old_libvirt_types=("lxc",)),
    ProcessType("docker", shares_node=True, old_drivers=("docker",)),
    ProcessType(
        "ironic",
        services=MappingProxyType({"ironic": "provisioning_ip"}),
        old_drivers=("baremetal", "ironic"),
        old_leaf="baremetal",
    ),
    ProcessType("fake", old_drivers=("fake",)),
)

TYPES: Mapping[str, ProcessType] = MappingProxyType({row.name: row for row in _ROWS})
"""The types by name. Processes are listed in this order."""
