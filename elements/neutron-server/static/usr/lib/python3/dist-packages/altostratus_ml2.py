# SPDX-License-Identifier: Apache-2.0
"""ML2 mechanism driver that binds bare-metal ports without a layer 2 agent.

Ironic's network interface ``flat`` creates ports of vnic_type ``baremetal`` whose binding host is
the node itself, where no layer 2 agent runs; without a driver that binds them they end as
``binding_failed``. There is nothing to plug: the node is cabled to the physical network already.
networking-baremetal does the same with an agent that reports every node to Neutron.
"""

from typing import Any

from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api

# A node receives its network untagged.
NETWORK_TYPES = (constants.TYPE_FLAT,)


class BareMetalDriver(api.MechanismDriver):
    """Binds bare-metal ports to flat networks."""

    def initialize(self) -> None:
        """Subscribe to ports that leave their node."""
        registry.subscribe(give_back, resources.PORT, events.AFTER_UPDATE)

    @property
    def connectivity(self) -> str:
        """Return the connectivity of a bound port: layer 2."""
        return str(portbindings.CONNECTIVITY_L2)

    def bind_port(self, context: Any) -> None:
        """Bind a bare-metal port to the flat segment of its network and make it ACTIVE.

        ``context`` is ML2's PortContext.
        """
        if context.current[portbindings.VNIC_TYPE] != portbindings.VNIC_BAREMETAL:
            return
        for segment in context.segments_to_bind:
            if segment[api.NETWORK_TYPE] in NETWORK_TYPES:
                context.set_binding(
                    segment[api.ID],
                    portbindings.VIF_TYPE_OTHER,
                    {portbindings.CAP_PORT_FILTER: False},
                    status=constants.PORT_STATUS_ACTIVE,
                )
                return


def give_back(resource: str, event: str, trigger: object, payload: Any) -> None:
    """Reset the vnic_type of a port that has left its node to normal.

    Ironic sets it and does not reset it (ironic.common.neutron.unbind_neutron_port). When a role
    moves to another hypervisor type, its new server could not use the port.
    """
    before, port = payload.states[0], payload.latest_state
    left = before[portbindings.HOST_ID] and not port[portbindings.HOST_ID]
    if left and port[portbindings.VNIC_TYPE] == portbindings.VNIC_BAREMETAL:
        change = {"port": {portbindings.VNIC_TYPE: portbindings.VNIC_NORMAL}}
        directory.get_plugin().update_port(contexts.get_admin_context(), port["id"], change)
