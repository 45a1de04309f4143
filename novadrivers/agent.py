# SPDX-License-Identifier: Apache-2.0
"""Several nova-compute processes on a node with one layer 2 agent.

Neutron binds a port to the agent whose host is the port's ``binding:host_id``, which Nova fills
with the ``host`` of nova-compute. Several nova-compute processes on a node have a host each, but
the node has one agent: ``ComputeDriver.network_binding_host_id`` is Nova's hook to name that one.
"""

from typing import Any

from oslo_config import cfg

GROUP = "sharedagent"
OPTIONS = [
    cfg.StrOpt(
        "agent_host",
        help="Host name of the layer 2 agent on this node; default: the host of this nova-compute.",
    ),
]


def register_options(conf: cfg.ConfigOpts) -> None:
    """Register ``[sharedagent]`` in ``conf``."""
    conf.register_opts(OPTIONS, group=GROUP)


class SharedAgent:
    """Part of a Nova driver whose ports are bound to ``[sharedagent] agent_host``."""

    def network_binding_host_id(self, context: Any, instance: Any) -> str | None:
        """Return the host that the ports of ``instance`` are bound to."""
        import nova.conf

        host: str | None = nova.conf.CONF.sharedagent.agent_host or instance.host
        return host
