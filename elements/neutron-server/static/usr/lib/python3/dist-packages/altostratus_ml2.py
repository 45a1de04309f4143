# SPDX-License-Identifier: Apache-2.0
"""ML2 mechanism driver for bare-metal ports: they are bound wherever the node is.

Ironic's network interface ``flat`` makes ports of vnic_type ``baremetal`` whose binding host is the
node itself, where no layer 2 agent runs; without a driver that takes them they end as
``binding_failed``. There is nothing to plug: the node's cable is in the physical network already.
networking-baremetal does the same with an agent that reports every node to Neutron.
"""

from neutron_lib import constants
from neutron_lib import context as contexts
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api

# A node's cable carries the network untagged.
NETWORK_TYPES = (constants.TYPE_FLAT,)


class BareMetalDriver(api.MechanismDriver):
    """Binds bare-metal ports to flat networks."""

    def initialize(self):
        """Hear of ports that leave their node."""
        registry.subscribe(give_back, resources.PORT, events.AFTER_UPDATE)

    @property
    def connectivity(self):
        """Return what a bound port gives: the data link layer."""
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        """Bind a bare-metal port to its network's flat segment, active at once."""
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


def give_back(resource, event, trigger, payload):
    """Make a port that has left its node an ordinary one again.

    Ironic sets its vnic_type and leaves it so (ironic.common.neutron.unbind_neutron_port): a server
    of another hypervisor type, to which a role moves with its ports, could not use it.
    """
    before, port = payload.states[0], payload.latest_state
    left = before[portbindings.HOST_ID] and not port[portbindings.HOST_ID]
    if left and port[portbindings.VNIC_TYPE] == portbindings.VNIC_BAREMETAL:
        change = {"port": {portbindings.VNIC_TYPE: portbindings.VNIC_NORMAL}}
        directory.get_plugin().update_port(contexts.get_admin_context(), port["id"], change)
