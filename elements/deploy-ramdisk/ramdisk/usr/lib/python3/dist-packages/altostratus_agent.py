# SPDX-License-Identifier: Apache-2.0
"""What the agent need not ask of a machine here: the address of its management controller.

Ironic knows it. The agent's own way is 33 pipelines of ipmitool, which is not here; under emulation
they take as long as starting Python.
"""

from ironic_python_agent import errors, hardware


class DeployRamdiskManager(hardware.GenericHardwareManager):
    """The agent's generic manager of hardware, without questions to a management controller."""

    HARDWARE_MANAGER_NAME = "DeployRamdiskManager"
    HARDWARE_MANAGER_VERSION = "1"

    def evaluate_hardware_support(self):
        """Come before the generic manager, which is asked as well and prepares the disks."""
        return hardware.HardwareSupport.SERVICE_PROVIDER

    def get_bmc_address(self):
        """Return the agent's word for no address."""
        return "0.0.0.0"  # noqa: S104 - nothing listens there

    def get_bmc_v6address(self):
        """Return the agent's word for no address."""
        return "::/0"

    def get_bmc_mac(self):
        """Tell that this is not known."""
        raise errors.IncompatibleHardwareMethodError
