# SPDX-License-Identifier: Apache-2.0
"""Several nova-compute processes on a node with one layer 2 agent.

Neutron binds a port to the agent whose host is the port's ``binding:host_id``, which Nova fills
with the ``host`` of nova-compute. Several nova-compute processes on a node have a host each, but
the node has one agent. ``ComputeDriver.network_binding_host_id`` is Nova's hook to name that one;
two more places of Nova would bind the ports back.
"""

import functools
from collections.abc import Callable
from typing import Any

import nova.conf
from nova.network import neutron
from oslo_config import cfg

OPTIONS = [
    cfg.StrOpt(
        "agent_host",
        help="Host name of the layer 2 agent on this node; default: the host of this nova-compute.",
    ),
]

CONF = nova.conf.CONF
CONF.register_opts(OPTIONS, group="sharedagent")


class SharedAgent:
    """Part of a Nova driver, before its ComputeDriver: ports are bound to the node's agent."""

    def network_binding_host_id(self, context: Any, instance: Any) -> str | None:
        """Return the host that the ports of ``instance`` are bound to."""
        host: str | None = CONF.sharedagent.agent_host or instance.host
        return host

    def manages_network_binding_host_id(self) -> bool:
        """Return whether nova-compute must leave the bindings alone.

        It would find them bound to a host other than its own and, once a minute, bind them to
        itself (ComputeManager._require_nw_info_update), where no agent is: the port would fail.
        """
        return bool(CONF.sharedagent.agent_host)


def bound_to_agent(setup: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method ``setup`` of Neutron's API with this process's host replaced.

    nova-compute calls setup_instance_network_on_host with its own host where it takes over an
    instance from another: a second try of a failed build, unshelving, evacuation.
    """

    @functools.wraps(setup)
    def setup_with_agent(
        self: Any, context: Any, instance: Any, host: str, *arguments: Any, **named: Any
    ) -> Any:
        if host == CONF.host and CONF.sharedagent.agent_host:
            host = CONF.sharedagent.agent_host
        return setup(self, context, instance, host, *arguments, **named)

    return setup_with_agent


neutron.API.setup_instance_network_on_host = bound_to_agent(
    neutron.API.setup_instance_network_on_host
)
