# SPDX-License-Identifier: Apache-2.0
"""Nova's ironic driver, with a clean end of what a killed nova-compute or Ironic left under way."""

from typing import Any

from keystoneauth1.exceptions import ConnectFailure
from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from nova.virt.ironic import driver

from novadrivers.shared import interrupted_builds
from novadrivers.shared.retry import patient


class IronicDriver(driver.IronicDriver):
    """Nova's ironic driver, which gives up what Nova gives up.

    Ironic goes on deploying whatever happens to Nova: the machine would run under a server that is
    in ERROR. No power-off would do, which Ironic refuses while it deploys. A rebuild goes on: to
    undeploy its machine would lose what was to be preserved.

    Nor does it take a refused connection for Ironic's word, which is being restarted then: Nova's
    clean-up of a failed build would end there, with the server in BUILD and its machine deployed.
    """

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        """Let calls of the client wait for Ironic; later Novas have the SDK alone."""
        super().__init__(virtapi, read_only)
        if hasattr(self, "ironicclient"):
            self.ironicclient.call = patient(ConnectFailure)(self.ironicclient.call)

    @property
    def ironic_connection(self) -> Any:
        """The SDK's connection to Ironic, whose requests wait for it.

        ``[ironic] connect_retries`` would not do: the SDK tries each request once more, whatever it
        says (openstack.proxy.Proxy.request).
        """
        connection = super().ironic_connection
        if not hasattr(connection.request, "__wrapped__"):
            connection.request = patient(ConnectFailure)(connection.request)
        return connection

    def init_host(self, host: str) -> None:
        """Connect to Ironic, and undeploy what a killed nova-compute was about to build."""
        super().init_host(host)
        context = nova_context.get_admin_context()

        def undeploy(instance: Any) -> None:
            self.destroy(context, instance, instance.get_network_info())

        instances = objects.InstanceList.get_by_host(context, host)
        new = [each for each in instances if each.vm_state == vm_states.BUILDING]
        interrupted_builds.end(self, new, undeploy)
