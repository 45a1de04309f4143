# SPDX-License-Identifier: Apache-2.0
"""Where Nova's releases differ for a driver: Zed (26) to the newest."""

import importlib

from nova import exception


def event_timeouts() -> tuple[type[BaseException], ...]:
    """Return what ``wait_for_instance_event`` raises when Neutron's event does not come.

    eventlet's Timeout, which is no Exception, until 2025.2; since then Nova's own
    InstanceEventTimeout.
    """
    own: type[BaseException] | None = getattr(exception, "InstanceEventTimeout", None)
    if own is not None:
        return (own,)
    timeout: type[BaseException] = importlib.import_module("eventlet.timeout").Timeout
    return (timeout,)


def node_identity() -> dict[str, str]:
    """Return the node's uuid as a part of its resource record; Nova keeps one since 2023.1."""
    try:
        node = importlib.import_module("nova.virt.node")
    except ModuleNotFoundError:
        return {}
    return {"uuid": node.get_local_node_uuid()}
