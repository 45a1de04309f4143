# SPDX-License-Identifier: Apache-2.0
"""What a node of type kvm reports to the scheduler when it emulates."""

from collections.abc import Sequence

VIRT_TYPE_EMULATED = "qemu"
"""``[libvirt] virt_type``, and libvirt's domain type, of virtual machines without KVM."""

Capability = tuple[str, str, str]
"""Architecture, hypervisor type and VM mode: an entry of ``supported_instances``."""


def with_kvm(supported: Sequence[Capability]) -> list[Capability]:
    """Return ``supported`` and, for each entry that is emulated, the same one with type kvm.

    Nova reports everything that libvirt can do, regardless of ``virt_type``, and its scheduler
    compares that with the image's ``hypervisor_type``. libvirt can do kvm if /dev/kvm opens.
    Without this, images tagged kvm would find a host or not depending on a device that does not
    work.
    """
    kvm = [(arch, "kvm", mode) for arch, kind, mode in supported if kind == VIRT_TYPE_EMULATED]
    return [*supported, *(each for each in kvm if each not in supported)]
