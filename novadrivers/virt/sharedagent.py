# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver on a shared agent: ``compute_driver = sharedagent.LibvirtDriver``."""

from nova.virt.libvirt import driver

from novadrivers import agent


class LibvirtDriver(agent.SharedAgent, driver.LibvirtDriver):
    """Nova's libvirt driver, its ports bound to ``[sharedagent] agent_host``."""
