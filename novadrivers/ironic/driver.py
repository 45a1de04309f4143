# SPDX-License-Identifier: Apache-2.0
"""Nova's ironic driver, cleaning up what a killed nova-compute or Ironic left unfinished."""

from typing import Any

from keystoneauth1.exceptions import ConnectFailure
from nova import context as nova_context
from nova import objects
from nova.compute import vm_states
from nova.virt.ironic import driver

from novadrivers.shared import interrupted_builds
from novadrivers.shared.nova_types import Instance, VirtAPI
from novadrivers.shared.retry import retry_on


class IronicDriver(driver.IronicDriver):
    """Nova's ironic driver, except after an interrupted build and while Ironic is restarted.

    Ironic continues a deployment if nova-compute dies: the machine would run for a server in ERROR.
    It is undeployed, because Ironic refuses to power it off while it is being deployed. Rebuilds
    continue: undeploying would lose data that the rebuild is to preserve.

    A refused connection is retried, because Ironic is being restarted. Nova's clean-up of a failed
    build would end there, with the server in BUILD and its machine deployed.
    """

    def __init__(self, virtapi: VirtAPI, read_only: bool = False) -> None:
        """Let calls of python-ironicclient wait for Ironic; later Novas use only the SDK."""
        super().__init__(virtapi, read_only)
        if hasattr(self, "ironicclient"):
            self.ironicclient.call = retry_on(ConnectFailure)(self.ironicclient.call)

    @property
    def ironic_connection(self) -> Any:
        """The SDK's connection to Ironic, whose requests wait for it.

        ``[ironic] connect_retries`` has no effect: the SDK repeats each request once, whatever its
        value (openstack.proxy.Proxy.request).
        """
        connection = super().ironic_connection
        if not hasattr(connection.request, "__wrapped__"):
            connection.request = retry_on(ConnectFailure)(connection.request)
        return connection

    def init_host(self, host: str) -> None:
        """Connect to Ironic, and undeploy machines whose build was interrupted."""
        super().init_host(host)
        context = nova_context.get_admin_context()

        def undeploy(instance: Instance) -> None:
            self.destroy(context, instance, instance.get_network_info())

        instances = objects.InstanceList.get_by_host(context, host)
        new = [each for each in instances if each.vm_state == vm_states.BUILDING]
        interrupted_builds.stop_guests(self, new, undeploy)
