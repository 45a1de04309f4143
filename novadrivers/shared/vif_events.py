# SPDX-License-Identifier: Apache-2.0
"""Wait for Neutron: a port works only when the node's layer 2 agent has connected it.

``[DEFAULT] vif_plugging_timeout`` and ``vif_plugging_is_fatal`` mean the same as for Nova's libvirt
driver (LibvirtDriver._create_guest_with_network).
"""

import contextlib
import importlib
from collections.abc import Iterator, Sequence

import nova.conf
from nova import exception
from oslo_log import log as logging

from novadrivers.shared.nova_types import Event, Instance, NetworkInfo, VirtAPI

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def plugged_events(network_info: NetworkInfo) -> list[Event]:
    """Return the events that Neutron will send for ``network_info``; for active ports it does not.

    The rule is that of LibvirtDriver._get_neutron_events.
    """
    if not CONF.vif_plugging_timeout:
        return []
    return [
        ("network-vif-plugged", vif["id"])
        for vif in network_info
        if vif.get("active", True) is False
    ]


@contextlib.contextmanager
def wait_after(virtapi: VirtAPI, instance: Instance, events: Sequence[Event]) -> Iterator[None]:
    """Run the body, which plugs ports, then wait for ``events``; see :func:`plugged_events`.

    Raises VirtualInterfaceCreateException if ``vif_plugging_is_fatal`` and Neutron reports a
    failure, or nothing within ``vif_plugging_timeout``.
    """
    timeout = CONF.vif_plugging_timeout
    try:
        with virtapi.wait_for_instance_event(instance, events, timeout, _failed):
            yield
    except _timeouts() as error:
        LOG.warning("Neutron did not plug %s within %s s", events, timeout, instance=instance)
        if CONF.vif_plugging_is_fatal:
            raise exception.VirtualInterfaceCreateException() from error


def _failed(event_name: str, instance: Instance) -> None:
    if CONF.vif_plugging_is_fatal:
        raise exception.VirtualInterfaceCreateException()


def _timeouts() -> tuple[type[BaseException], ...]:
    """Return what ``wait_for_instance_event`` raises after its timeout.

    Until 2025.2 that is eventlet's Timeout, which is not an Exception; since then Nova's own
    InstanceEventTimeout.
    """
    own: type[BaseException] | None = getattr(exception, "InstanceEventTimeout", None)
    if own is not None:
        return (own,)
    timeout: type[BaseException] = importlib.import_module("eventlet.timeout").Timeout
    return (timeout,)
