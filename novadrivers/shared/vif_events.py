# SPDX-License-Identifier: Apache-2.0
"""Wait for Neutron: a port carries nothing until the node's layer 2 agent has connected it.

``[DEFAULT] vif_plugging_timeout`` and ``vif_plugging_is_fatal`` mean what they mean for Nova's own
drivers, LibvirtDriver._create_guest_with_network.
"""

import contextlib
import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import nova.conf
from nova import exception
from oslo_log import log as logging

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


def expected(vifs: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Return Neutron's events that say that ports work; those that work already send none.

    The rule is that of Nova's libvirt driver (LibvirtDriver._get_neutron_events).
    """
    if not CONF.vif_plugging_timeout:
        return []
    return [("network-vif-plugged", vif["id"]) for vif in vifs if vif.get("active", True) is False]


@contextlib.contextmanager
def awaited(virtapi: Any, instance: Any, events: list[tuple[str, str]]) -> Iterator[None]:
    """After the body, which plugs ports, wait for ``events``; see :func:`expected`.

    Raises VirtualInterfaceCreateException where Neutron failed, or said nothing in time, and that
    is fatal.
    """
    timeout = CONF.vif_plugging_timeout
    try:
        # The third argument is called deadline until 2025.2, timeout since then.
        with virtapi.wait_for_instance_event(instance, events, timeout, _failed):
            yield
    except _timeouts() as error:
        LOG.warning("Neutron did not plug %s within %s s", events, timeout, instance=instance)
        if CONF.vif_plugging_is_fatal:
            raise exception.VirtualInterfaceCreateException() from error


def _failed(event_name: str, instance: Any) -> None:
    if CONF.vif_plugging_is_fatal:
        raise exception.VirtualInterfaceCreateException()


def _timeouts() -> tuple[type[BaseException], ...]:
    """Return what ``wait_for_instance_event`` raises when Neutron's event does not come.

    eventlet's Timeout, which is no Exception, until 2025.2; since then Nova's own
    InstanceEventTimeout.
    """
    own: type[BaseException] | None = getattr(exception, "InstanceEventTimeout", None)
    if own is not None:
        return (own,)
    timeout: type[BaseException] = importlib.import_module("eventlet.timeout").Timeout
    return (timeout,)
