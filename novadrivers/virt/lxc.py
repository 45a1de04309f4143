# SPDX-License-Identifier: Apache-2.0
"""Containers of libvirt on a shared agent: ``compute_driver = lxc.LxcDriver``."""

from novadrivers.libvirt.lxc import LxcDriver

__all__ = ["LxcDriver"]
