# SPDX-License-Identifier: Apache-2.0
"""Nova's fake driver for a nova-compute that shares the node's layer 2 agent with others."""

from nova.virt import fake

from novadrivers.shared import network_agent


class FakeDriver(network_agent.SharedAgentMixin, fake.FakeDriver):
    """Pretends to run instances; their ports are bound to ``[sharedagent] agent_host``."""
