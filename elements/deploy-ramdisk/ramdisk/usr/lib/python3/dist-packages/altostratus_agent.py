# SPDX-License-Identifier: Apache-2.0
"""A hardware manager that does not ask for the address of the management controller.

Ironic knows it. The agent would run 33 pipelines of ipmitool, which the ramdisk does not have;
under emulation they take as long as starting Python.
"""

from ironic_python_agent import errors, hardware


class DeployRamdiskManager(hardware.GenericHardwareManager):
    """The agent's generic hardware manager, without questions to a management controller."""

    HARDWARE_MANAGER_NAME = "DeployRamdiskManager"
    HARDWARE_MANAGER_VERSION = "1"

    def evaluate_hardware_support(self) -> int:
        """Come before the generic manager, which is loaded as well and prepares the disks."""
        return int(hardware.HardwareSupport.SERVICE_PROVIDER)

    def get_bmc_address(self) -> str:
        """Return what the agent returns for no address."""
        return "0.0.0.0"  # noqa: S104 - nothing listens there

    def get_bmc_v6address(self) -> str:
        """Return what the agent returns for no address."""
        return "::/0"

    def get_bmc_mac(self) -> str:
        """Raise what says that the address is unknown."""
        raise errors.IncompatibleHardwareMethodError
