# SPDX-License-Identifier: Apache-2.0
"""Machines by Ironic: ``compute_driver = baremetal.IronicDriver``."""

from novadrivers.baremetal import IronicDriver

__all__ = ["IronicDriver"]
