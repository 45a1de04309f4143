# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for a nova-compute that shares the node's layer 2 agent with others."""

import contextlib
import copy
import functools
import threading
from typing import Any

from nova import context as nova_context
from nova import exception, objects, utils
from nova.compute import resource_tracker
from nova.virt.libvirt import driver
from nova.virt.libvirt import vif as libvirt_vif

from novadrivers.shared import interrupted_builds, network_agent
from novadrivers.shared.retry import Method, patient


def plugged_by_libvirt(vif: Any) -> Any:
    """Return a copy of the port ``vif`` that libvirt adds to Open vSwitch, not os-vif.

    os-vif does it before the network device exists. Open vSwitch then opens the device when it
    appears, and sets its flags to what they were a moment before: at times to down, just after
    libvirt set the device up, and the instance has no network. libvirt makes the device first.
    """
    vif = copy.copy(vif)
    vif["delegate_create"] = False
    return vif


class VIFDriver(libvirt_vif.LibvirtGenericVIFDriver):
    """Nova's VIF driver without os-vif's ports in Open vSwitch."""

    def get_config(self, instance: Any, vif: Any, *arguments: Any) -> Any:
        """Return libvirt's configuration of the interface."""
        return super().get_config(instance, plugged_by_libvirt(vif), *arguments)

    def plug(self, instance: Any, vif: Any) -> None:
        """Prepare for the interface what libvirt does not."""
        super().plug(instance, plugged_by_libvirt(vif))


def broken(error: Exception) -> bool:
    """Tell whether libvirtd died under a call; the rule is Nova's, Host._test_connection."""
    # Where no libvirt is driven there is no such module.
    import libvirt

    return (
        isinstance(error, libvirt.libvirtError)
        and error.get_error_code() in (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
        and error.get_error_domain() in (libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC)
    )


def restartable(method: Method) -> Method:
    """Return a method of the driver that waits for a libvirtd that is being restarted.

    Nova says InternalError too where libvirt went away during a call.
    """

    @patient(exception.HypervisorUnavailable, exception.InternalError)
    @functools.wraps(method)
    def call(*arguments: Any, **named: Any) -> Any:
        try:
            return method(*arguments, **named)
        except Exception as error:
            if broken(error):
                raise exception.HypervisorUnavailable() from error
            raise

    return call  # type: ignore[return-value]


class LibvirtDriver(network_agent.SharedAgent, driver.LibvirtDriver):
    """Nova's libvirt driver, its ports bound to ``[sharedagent] agent_host``."""

    def __init__(self, virtapi: Any, read_only: bool = False) -> None:
        """Take over how interfaces are plugged."""
        super().__init__(virtapi, read_only)
        self.vif_driver = VIFDriver(self._host)

    def init_host(self, host: str) -> None:
        """Connect to libvirtd, and stop what a killed nova-compute was about to build."""
        super().init_host(host)
        context = nova_context.get_admin_context()
        interrupted_builds.end(
            self, objects.InstanceList.get_by_host(context, host), self.power_off
        )

    def _handle_conn_event(self, enabled: bool, reason: Any) -> None:
        """Tell Nova that libvirtd went away, and as soon as it is so that it is back.

        Nova takes the node out of service, and gives it back when something next calls libvirt:
        most often a periodic task, up to a minute later.
        """
        super()._handle_conn_event(enabled, reason)
        if not enabled:
            # Events wait for their handler, that of the next connection as well.
            threading.Thread(target=self._connect_again, name="libvirt-again", daemon=True).start()

    def _connect_again(self) -> None:
        connect = patient(exception.HypervisorUnavailable)(self._host.get_connection)
        with contextlib.suppress(exception.HypervisorUnavailable):
            connect()

    @restartable
    def destroy(self, *arguments: Any, **named: Any) -> None:
        """Remove the instance from this node, when its daemon is back from a restart."""
        super().destroy(*arguments, **named)

    @restartable
    def get_available_nodes(self, *arguments: Any, **named: Any) -> Any:
        """Return the node's name, which Nova asks for in the midst of each build and delete."""
        return super().get_available_nodes(*arguments, **named)

    @restartable
    def get_info(self, *arguments: Any, **named: Any) -> Any:
        """Return the instance's power state; the end of each build, which fails with it."""
        return super().get_info(*arguments, **named)

    @restartable
    def update_provider_tree(self, *arguments: Any, **named: Any) -> None:
        """Give Placement what the node has; the end of each delete, which fails with it."""
        super().update_provider_tree(*arguments, **named)

    @utils.synchronized(resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True)
    def _update_compute_provider_status(self, *arguments: Any, **named: Any) -> None:
        """Give Placement the trait of a node whose daemon went away, or take it back.

        Not beside the resource tracker's own update, which is the end of each delete: Placement
        answers the second of two with 500 where Nova tries again after 409, and the server stays.
        """
        super()._update_compute_provider_status(*arguments, **named)
