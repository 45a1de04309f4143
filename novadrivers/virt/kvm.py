# SPDX-License-Identifier: Apache-2.0
"""Virtual machines with or without KVM on a shared agent: ``compute_driver = kvm.KvmDriver``."""

from novadrivers.libvirt.kvm import KvmDriver

__all__ = ["KvmDriver"]
