# SPDX-License-Identifier: Apache-2.0
"""Several nova-compute processes that share the one layer 2 agent of their node.

Neutron binds a port to the agent on the port's ``binding:host_id``, which Nova sets to the ``host``
of nova-compute. Each nova-compute on a node has a ``host`` of its own, but the node has one agent.
Nova lets a driver name the agent's host (``ComputeDriver.network_binding_host_id``). Two other
places in Nova would bind the ports to nova-compute's own host again; both are handled here.
"""

import functools
from collections.abc import Callable
from typing import Any

import nova.conf
from nova.network import neutron
from oslo_config import cfg

from novadrivers.shared.nova_types import Instance, RequestContext

OPTIONS = [
    cfg.StrOpt(
        "agent_host",
        help="Host name of the layer 2 agent on this node; default: the host of this nova-compute.",
    ),
]

CONF = nova.conf.CONF
CONF.register_opts(OPTIONS, group="sharedagent")


class SharedAgentMixin:
    """Makes a Nova driver bind ports to ``[sharedagent] agent_host``; listed before its base."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Create the driver; raises RuntimeError if Nova would bind its ports to the wrong host."""
        if CONF.sharedagent.agent_host and not is_installed():
            raise RuntimeError(
                "[sharedagent] agent_host needs novadrivers.patches.install(): start nova-compute "
                "with altostratus-nova-compute or python3 -m novadrivers.compute"
            )
        super().__init__(*args, **kwargs)

    def network_binding_host_id(self, context: RequestContext, instance: Instance) -> str | None:
        """Return the host that the ports of ``instance`` are bound to."""
        host: str | None = CONF.sharedagent.agent_host or instance.host
        return host

    def manages_network_binding_host_id(self) -> bool:
        """Return whether the driver decides to which host ports are bound.

        Otherwise nova-compute would find them bound to a host other than its own and, once a
        minute, bind them to itself (ComputeManager._require_nw_info_update). No agent has that
        host: the binding would fail.
        """
        return bool(CONF.sharedagent.agent_host)


def bind_to_agent_host(setup: Callable[..., Any]) -> Callable[..., Any]:
    """Return nova.network.neutron.API.setup_instance_network_on_host, binding to the agent's host.

    nova-compute calls it with its own host when it takes over an instance from another one: the
    second attempt of a failed build, unshelving, evacuation.
    """

    @functools.wraps(setup)
    def setup_with_agent(
        self: Any,
        context: RequestContext,
        instance: Instance,
        host: str,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        if host == CONF.host and CONF.sharedagent.agent_host:
            host = CONF.sharedagent.agent_host
        return setup(self, context, instance, host, *args, **kwargs)

    setup_with_agent.binds_to_agent_host = True  # type: ignore[attr-defined]
    return setup_with_agent


def is_installed() -> bool:
    """Tell whether :func:`bind_to_agent_host` is installed in Nova."""
    return hasattr(neutron.API.setup_instance_network_on_host, "binds_to_agent_host")
