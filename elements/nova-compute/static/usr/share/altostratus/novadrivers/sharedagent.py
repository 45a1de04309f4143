# SPDX-License-Identifier: Apache-2.0
"""libvirt driver for a nova-compute that shares the node's layer 2 agent with others.

Neutron binds a port to the agent whose host is the port's ``binding:host_id``, which Nova fills
with the ``host`` of nova-compute. Several nova-compute processes on a node have a host each, but
the node has one agent. ComputeDriver.network_binding_host_id is Nova's hook to name that one; two
more places of Nova would bind the ports back.
"""

import copy
import functools

import nova.conf
from nova.network import neutron
from nova.virt.libvirt import driver
from nova.virt.libvirt import vif as libvirt_vif
from oslo_config import cfg

OPTIONS = [
    cfg.StrOpt("agent_host", help="Host name of the layer 2 agent on this node; default: host."),
]

CONF = nova.conf.CONF
CONF.register_opts(OPTIONS, group="sharedagent")


def plugged_by_libvirt(vif):
    """Return a copy of ``vif`` whose Open vSwitch port libvirt makes, not os-vif.

    os-vif makes it before the network device exists. Open vSwitch then opens the device when it
    appears, and sets its flags to what they were a moment before: at times to down, just after
    libvirt set the device up, and the instance has no network. libvirt makes the device first.
    """
    vif = copy.copy(vif)
    vif["delegate_create"] = False
    return vif


class VIFDriver(libvirt_vif.LibvirtGenericVIFDriver):
    """Nova's VIF driver without os-vif's ports in Open vSwitch."""

    def get_config(self, instance, vif, *arguments):
        """Return libvirt's configuration of the interface."""
        return super().get_config(instance, plugged_by_libvirt(vif), *arguments)

    def plug(self, instance, vif):
        """Prepare for the interface what libvirt does not."""
        super().plug(instance, plugged_by_libvirt(vif))


class LibvirtDriver(driver.LibvirtDriver):
    """Nova's libvirt driver, its ports bound to ``[sharedagent] agent_host``."""

    def __init__(self, virtapi, read_only=False):
        """Take over how interfaces are plugged."""
        super().__init__(virtapi, read_only)
        self.vif_driver = VIFDriver(self._host)

    def network_binding_host_id(self, context, instance):
        """Return the host that the instance's ports are bound to."""
        host = CONF.sharedagent.agent_host
        return host or super().network_binding_host_id(context, instance)

    def manages_network_binding_host_id(self):
        """Return True: nova-compute must leave the bindings alone.

        It would find them bound to a host other than its own and, once a minute, bind them to
        itself (ComputeManager._require_nw_info_update), where no agent is: the port would fail.
        """
        return bool(CONF.sharedagent.agent_host) or super().manages_network_binding_host_id()


def bound_to_agent(setup):
    """Return the method ``setup`` of Neutron's API with this process's host replaced.

    nova-compute calls setup_instance_network_on_host with its own host where it takes over an
    instance from another: a second try of a failed build, unshelving, evacuation.
    """

    @functools.wraps(setup)
    def setup_with_agent(self, context, instance, host, *arguments, **named):
        if host == CONF.host and CONF.sharedagent.agent_host:
            host = CONF.sharedagent.agent_host
        return setup(self, context, instance, host, *arguments, **named)

    return setup_with_agent


neutron.API.setup_instance_network_on_host = bound_to_agent(
    neutron.API.setup_instance_network_on_host
)
