# SPDX-License-Identifier: Apache-2.0
import pytest

from novadrivers.libvirt.emulation import Capability, with_kvm

QEMU = ("x86_64", "qemu", "hvm")
OLD = ("i686", "qemu", "hvm")
KVM = ("x86_64", "kvm", "hvm")


@pytest.mark.parametrize(
    ("supported", "wanted"),
    [
        ([QEMU], [QEMU, KVM]),
        # libvirt found a /dev/kvm that opens.
        ([QEMU, KVM], [QEMU, KVM]),
        ([OLD, QEMU, KVM], [OLD, QEMU, KVM, ("i686", "kvm", "hvm")]),
        ([], []),
    ],
)
def test_images_of_type_kvm_find_a_node_that_emulates(
    supported: list[Capability], wanted: list[Capability]
) -> None:
    assert with_kvm(supported) == wanted
