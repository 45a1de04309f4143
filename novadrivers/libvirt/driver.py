# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for a nova-compute that shares the node's layer 2 agent with others."""

import contextlib
import copy
import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from nova import context as nova_context
from nova import exception, objects, utils
from nova.compute import power_state, resource_tracker
from nova.virt.libvirt import driver
from nova.virt.libvirt import utils as libvirt_utils
from nova.virt.libvirt import vif as libvirt_vif

from novadrivers.shared import guest_ended, interrupted_builds, network_agent
from novadrivers.shared.nova_types import VIF, Instance, NetworkInfo, RequestContext, VirtAPI
from novadrivers.shared.retry import retry_on

P = ParamSpec("P")
R = TypeVar("R")


def plugged_by_libvirt(vif: VIF) -> VIF:
    """Return a copy of the port ``vif`` that libvirt adds to Open vSwitch instead of os-vif.

    os-vif adds it before the network device exists. Open vSwitch opens the device when it appears,
    and sets its flags to what they were a moment before. At times that is "down", just after
    libvirt set the device up, and the instance has no network. libvirt makes the device first.
    """
    copied: Any = copy.copy(vif)
    copied["delegate_create"] = False
    delegated: VIF = copied
    return delegated


class VIFDriver(libvirt_vif.LibvirtGenericVIFDriver):
    """Nova's VIF driver, except that libvirt adds the ports to Open vSwitch."""

    def get_config(self, instance: Instance, vif: VIF, *args: Any) -> Any:
        """Return libvirt's configuration of the interface."""
        return super().get_config(instance, plugged_by_libvirt(vif), *args)

    def plug(self, instance: Instance, vif: VIF) -> None:
        """Prepare what libvirt does not do itself."""
        super().plug(instance, plugged_by_libvirt(vif))


def is_connection_lost(error: Exception) -> bool:
    """Tell whether ``error`` means that libvirtd died during a call.

    The rule is that of nova.virt.libvirt.host.Host._test_connection.
    """
    # Not at the top: the module exists only on nodes that have libvirt.
    import libvirt

    return (
        isinstance(error, libvirt.libvirtError)
        and error.get_error_code() in (libvirt.VIR_ERR_SYSTEM_ERROR, libvirt.VIR_ERR_INTERNAL_ERROR)
        and error.get_error_domain() in (libvirt.VIR_FROM_REMOTE, libvirt.VIR_FROM_RPC)
    )


def retry_while_libvirtd_restarts(method: Callable[P, R]) -> Callable[P, R]:
    """Return a method of the driver that is retried while libvirtd is restarted.

    Nova raises InternalError, too, when libvirtd goes away during a call.
    """

    @retry_on(exception.HypervisorUnavailable, exception.InternalError)
    @functools.wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            if is_connection_lost(error):
                raise exception.HypervisorUnavailable() from error
            raise

    return call


class LibvirtDriver(network_agent.SharedAgentMixin, driver.LibvirtDriver):
    """Nova's libvirt driver; its ports are bound to ``[sharedagent] agent_host``."""

    def __init__(self, virtapi: VirtAPI, read_only: bool = False) -> None:
        """Replace Nova's VIF driver."""
        super().__init__(virtapi, read_only)
        self.vif_driver = VIFDriver(self._host)
        self._started: set[str] = set()
        """Uuids of instances that were started and whose state nobody has seen since."""

    def init_host(self, host: str) -> None:
        """Connect to libvirtd, and stop guests whose build a killed nova-compute left behind."""
        super().init_host(host)
        context = nova_context.get_admin_context()
        interrupted_builds.stop_guests(
            self, objects.InstanceList.get_by_host(context, host), self.power_off
        )

    def _handle_conn_event(self, enabled: bool, reason: Any) -> None:
        """Disable the service when libvirtd goes away, and enable it as soon as libvirtd is back.

        Nova itself enables it at the next call of libvirt, most often a periodic task up to a
        minute later.
        """
        super()._handle_conn_event(enabled, reason)
        if not enabled:
            # In a thread: the event of the next connection waits until this handler returns.
            threading.Thread(target=self._reconnect, name="libvirt-reconnect", daemon=True).start()

    def _reconnect(self) -> None:
        connect = retry_on(exception.HypervisorUnavailable)(self._host.get_connection)
        with contextlib.suppress(exception.HypervisorUnavailable):
            connect()

    @retry_while_libvirtd_restarts
    def destroy(self, *args: Any, **kwargs: Any) -> None:
        """Remove the instance from this node."""
        super().destroy(*args, **kwargs)

    @retry_while_libvirtd_restarts
    def get_available_nodes(self, *args: Any, **kwargs: Any) -> Any:
        """Return the node's name; Nova needs it during each build and delete."""
        return super().get_available_nodes(*args, **kwargs)

    def get_info(self, instance: Instance, *args: Any, **kwargs: Any) -> Any:
        """Return the instance's power state; the last step of each build, which fails with it.

        Nova asks after each start until the guest runs (LibvirtDriver.spawn, _hard_reboot). Raises
        NovaException if it has ended already: Nova would ask forever.
        """
        info = self._info(instance, *args, **kwargs)
        if instance.uuid in self._started:
            self._started.discard(instance.uuid)
            if self._is_down(info):
                raise self._ended(instance)
        return info

    def _is_down(self, info: Any) -> bool:
        """Tell from a power state whether the guest has ended."""
        return bool(info.state == power_state.SHUTDOWN)

    @retry_while_libvirtd_restarts
    def _info(self, *args: Any, **kwargs: Any) -> Any:
        return super().get_info(*args, **kwargs)

    def _ended(self, instance: Instance) -> exception.NovaException:
        """Return the error of a guest that ended at once."""
        return exception.NovaException(guest_ended.message(console(instance)))

    def _create_guest_with_network(
        self,
        context: RequestContext,
        xml: str,
        instance: Instance,
        network_info: NetworkInfo,
        *args: Any,
        power_on: bool = True,
        **kwargs: Any,
    ) -> Any:
        """Start the guest; the next call of :meth:`get_info` finds out whether it has ended."""
        guest = super()._create_guest_with_network(
            context, xml, instance, network_info, *args, power_on=power_on, **kwargs
        )
        if power_on:
            self._started.add(instance.uuid)
        return guest

    @retry_while_libvirtd_restarts
    def update_provider_tree(self, *args: Any, **kwargs: Any) -> None:
        """Update Placement's inventory; the last step of each delete, which fails with it."""
        super().update_provider_tree(*args, **kwargs)

    @utils.synchronized(resource_tracker.COMPUTE_RESOURCE_SEMAPHORE, fair=True)
    def _update_compute_provider_status(self, *args: Any, **kwargs: Any) -> None:
        """Set or remove Placement's trait of a node whose daemon is away.

        The lock keeps it apart from the resource tracker's update at the end of each delete.
        Placement answers the second of two concurrent updates with 500, Nova retries only after
        409, and the server would not be deleted.
        """
        super()._update_compute_provider_status(*args, **kwargs)


def console(instance: Instance) -> bytes:
    """Return what is in the console log of ``instance``."""
    try:
        return (instance_directory(instance) / "console.log").read_bytes()
    except OSError:
        return b""


def instance_directory(instance: Instance) -> Path:
    """Return the directory of an instance's files on this node."""
    return Path(libvirt_utils.get_instance_path(instance))
