# SPDX-License-Identifier: Apache-2.0
"""Nova's ironic driver, with a clean end of builds that a killed nova-compute left under way."""

from typing import Any

from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from nova.virt.ironic import driver

from novadrivers import interrupted


class IronicDriver(driver.IronicDriver):
    """Nova's ironic driver, which gives up what Nova gives up.

    Ironic goes on deploying whatever happens to Nova: the machine would run under a server that is
    in ERROR. No power-off would do, which Ironic refuses while it deploys. A rebuild goes on: to
    undeploy its machine would lose what was to be preserved.
    """

    def init_host(self, host: str) -> None:
        """Connect to Ironic, and undeploy what a killed nova-compute was about to build."""
        super().init_host(host)
        context = nova_context.get_admin_context()

        def undeploy(instance: Any) -> None:
            self.destroy(context, instance, instance.get_network_info())

        instances = objects.InstanceList.get_by_host(context, host)
        new = [each for each in instances if each.vm_state == vm_states.BUILDING]
        interrupted.end(self, new, undeploy)
