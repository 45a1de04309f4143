# SPDX-License-Identifier: Apache-2.0
"""What a node of type kvm offers to the scheduler where it has to emulate."""

from collections.abc import Sequence

EMULATED = "qemu"
"""libvirt's and Nova's name of virtual machines without KVM."""

Capability = tuple[str, str, str]
"""Architecture, hypervisor type and mode, as in a compute node's ``supported_instances``."""


def offered(supported: Sequence[Capability]) -> list[Capability]:
    """Return ``supported`` and, for each that is emulated, the same as of type kvm.

    Nova passes on what libvirt is capable of, whatever ``virt_type`` says, and its scheduler
    compares that with the image's ``hypervisor_type``. libvirt offers kvm wherever /dev/kvm opens:
    images tagged kvm would find a host or none depending on a device that does not work.
    """
    as_kvm = [(arch, "kvm", mode) for arch, kind, mode in supported if kind == EMULATED]
    return [*supported, *(each for each in as_kvm if each not in supported)]
