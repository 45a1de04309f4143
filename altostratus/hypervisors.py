# SPDX-License-Identifier: Apache-2.0
"""The hypervisor types: one row each for what an image needs to run there and to be placed there.

The image properties are Nova's: ``hypervisor_type`` is compared by ImagePropertiesFilter with what
the driver advertises, which is ``baremetal`` for ironic; ``hw_vm_mode=exe`` is required by the
libvirt driver for lxc. The formats are Glance's. Adding a type means adding a row and an element.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Layout(StrEnum):
    """What an image file is made of."""

    DISK = "disk"
    """A whole disk with partitions and a boot loader, qcow2."""
    FILE_SYSTEM = "file system"
    """One ext4 file system, raw."""
    DOCKER_ARCHIVE = "docker archive"
    """What ``docker load`` takes, tar."""


@dataclass(frozen=True)
class HypervisorType:
    """One hypervisor type, as the user names it, and its images."""

    name: str
    """What the user writes: kvm, lxc, docker or ironic."""
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
    """What the image file is made of."""
    target_element: str
    """diskimage-builder element that makes an image fit for this type."""
    extra_properties: Mapping[str, str] = field(default_factory=dict)
    """Image properties besides ``hypervisor_type``."""
    flavor_properties: Mapping[str, str] = field(default_factory=dict)
    """Properties (extra specs) that a flavor must have for servers to be placed there."""
    partitions: bool = False
    """Whether it can also start images of one file system, with kernel and ramdisk beside it."""
    bare_metal: bool = False
    """Whether an instance is a machine: enrolled before, with one cable that carries its VLANs."""
    emulated_property: str | None = None
    """``hypervisor_type`` of images for hosts without hardware virtualization, if it has any."""

    @property
    def properties(self) -> dict[str, str]:
        """Every image property that an image of this type carries in Glance."""
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
        # A node is given away as a whole: Placement knows neither its CPUs nor its memory.
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
"""Every hypervisor type by the name that the user writes."""

DEFAULT = "lxc"
"""The type of a role where the cloud file names none."""
