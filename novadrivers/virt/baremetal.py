# SPDX-License-Identifier: Apache-2.0
"""Machines by Ironic: ``compute_driver = baremetal.IronicDriver``."""

from novadrivers.ironic.driver import IronicDriver

__all__ = ["IronicDriver"]
