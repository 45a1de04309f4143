# SPDX-License-Identifier: Apache-2.0
"""The hypervisor types: one row each with all that depends on the type of an instance.

The image properties are Nova's: ImagePropertiesFilter compares ``hypervisor_type`` with what the
driver advertises, which is ``baremetal`` for ironic; the libvirt driver requires ``hw_vm_mode=exe``
for lxc. The formats are Glance's. CONTRIBUTING.md says what a new type needs besides its row.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Layout(StrEnum):
    """The structure of an image file."""

    DISK = "disk"
    """A whole disk with partitions and a boot loader, qcow2."""
    FILE_SYSTEM = "file system"
    """One ext4 file system, raw."""
    DOCKER_ARCHIVE = "docker archive"
    """A tar archive as ``docker load`` reads it."""


@dataclass(frozen=True)
class HypervisorType:
    """One hypervisor type: its name, its images, and what is special about its instances."""

    name: str
    """The name that users write: kvm, lxc, docker or ironic."""
    summary: str
    """One line for help texts and documentation."""
    image_property: str
    """Value of the image property ``hypervisor_type`` that Nova's scheduler matches."""
    disk_format: str
    """Glance's disk_format."""
    container_format: str
    """Glance's container_format."""
    suffix: str
    """File name extension of the image file, without the dot."""
    layout: Layout
    """The structure of the image file."""
    target_element: str
    """diskimage-builder element that adapts an image to this type."""
    extra_properties: Mapping[str, str] = field(default_factory=dict)
    """Image properties besides ``hypervisor_type``."""
    flavor_properties: Mapping[str, str] = field(default_factory=dict)
    """Properties (extra specs) of flavors that Nova needs to place servers on this type."""
    partitions: bool = False
    """Whether it can also boot partition images: one file system, kernel and ramdisk beside it."""
    bare_metal: bool = False
    """Whether an instance is a physical machine: enrolled first, VLANs as a trunk on one cable."""
    emulated_property: str | None = None
    """``hypervisor_type`` of images for hosts without hardware virtualization, if there is one."""

    @property
    def properties(self) -> dict[str, str]:
        """Every property that images of this type have in Glance."""
        return {"hypervisor_type": self.image_property, **self.extra_properties}


_ROWS = (
    HypervisorType(
        name="kvm",
        summary="virtual machine by libvirt with kvm: whole disk, own kernel",
        image_property="kvm",
        disk_format="qcow2",
        container_format="bare",
        suffix="qcow2",
        layout=Layout.DISK,
        target_element="target-kvm",
        emulated_property="qemu",
    ),
    HypervisorType(
        name="lxc",
        summary="system container by libvirt-lxc: one file system, the host's kernel",
        image_property="lxc",
        disk_format="raw",
        container_format="bare",
        suffix="raw",
        layout=Layout.FILE_SYSTEM,
        target_element="target-lxc",
        extra_properties=MappingProxyType({"hw_vm_mode": "exe"}),
    ),
    HypervisorType(
        name="docker",
        summary="container by the docker driver: docker archive, the host's kernel",
        image_property="docker",
        disk_format="raw",
        container_format="docker",
        suffix="tar",
        layout=Layout.DOCKER_ARCHIVE,
        target_element="target-docker",
        extra_properties=MappingProxyType({"hw_vm_mode": "exe"}),
    ),
    HypervisorType(
        name="ironic",
        summary="bare metal by Ironic: whole disk, own kernel",
        image_property="baremetal",
        disk_format="qcow2",
        container_format="bare",
        suffix="qcow2",
        layout=Layout.DISK,
        target_element="target-ironic",
        # A server gets a whole node; Placement has no inventory of its CPUs and memory.
        flavor_properties=MappingProxyType(
            {
                "resources:CUSTOM_BAREMETAL": "1",
                "resources:VCPU": "0",
                "resources:MEMORY_MB": "0",
                "resources:DISK_GB": "0",
            }
        ),
        partitions=True,
        bare_metal=True,
    ),
)

HYPERVISORS: Mapping[str, HypervisorType] = MappingProxyType({row.name: row for row in _ROWS})
"""The hypervisor types by name, in the order of documentation and help texts."""

DEFAULT = "lxc"
"""The type of a role if the cloud file names none."""
