# SPDX-License-Identifier: Apache-2.0
"""Neutron ports into a container's network namespace, for Linux bridges and Open vSwitch.

os-vif makes what the layer 2 agent expects outside: the bridge, or the port of an Open vSwitch
bridge. A veth pair stands for the tap device that a virtual machine has: its outer end has the
tap's name, which the agents look for, and its inner end is ethN of the instance.
"""

import copy
from typing import Any

import os_vif
from nova.network import os_vif_util
from oslo_log import log as logging

from novadrivers.docker import commands, links, ports
from novadrivers.docker.errors import UnusablePort

LOG = logging.getLogger(__name__)


def plug(instance: Any, vif: Any, pid: int, configure_ips: bool) -> None:
    """Put the port ``vif`` into the namespace of process ``pid``; what is in place stays as it is.

    Raises UnusablePort where the port's type cannot be an interface of a container.
    """
    port = _os_vif(vif)
    present = links.inside(pid)
    device, mac = ports.device(vif), vif["address"].lower()
    name = present.get(mac) or commands.free_name(list(present.values()))
    interface = ports.interface(vif, name)
    owner = os_vif_util.nova_to_osvif_instance(instance)
    new = mac not in present or not links.exists(device)
    try:
        if new:
            links.create(pid, device, name, mac, interface.mtu)
        os_vif.plug(port, owner)
        if _is_bridge(port):
            links.enslave(device, port.bridge_name)
        if configure_ips:
            links.configure(pid, name, list(interface.addresses), list(interface.routes))
    except BaseException:
        # A running instance keeps the port that it has.
        if new:
            _undo(port, owner, device)
        raise


def _undo(port: Any, owner: Any, device: str) -> None:
    """Take back what of a plug was done; why it failed is what its caller must hear."""
    for step, arguments in ((os_vif.unplug, (port, owner)), (links.delete, (device,))):
        try:
            step(*arguments)
        except Exception:
            LOG.exception("Cannot take back the port on %s", device)


def unplug(instance: Any, vif: Any) -> None:
    """Remove the port ``vif`` from its bridge and its container, where it still is."""
    os_vif.unplug(_os_vif(vif), os_vif_util.nova_to_osvif_instance(instance))
    links.delete(ports.device(vif))


def _os_vif(vif: Any) -> Any:
    """Return the port as os-vif's object."""
    delegated = copy.deepcopy(vif)
    # os-vif adds the port to Open vSwitch itself, as it does where libvirt lets it.
    delegated["delegate_create"] = True
    try:
        port = os_vif_util.nova_to_osvif_vif(delegated)
    except Exception as error:
        raise UnusablePort(f"a port of type {vif['type']} is not supported: {error}") from error
    if port is None or not (_is_bridge(port) or port.obj_name() == "VIFOpenVSwitch"):
        raise UnusablePort(
            f"a port of type {vif['type']} ({vif.get('vnic_type', 'normal')}) is not supported"
        )
    if "port_profile" in port and "create_tap" in port.port_profile.fields:
        # The veth pair is the tap; os-vif from 2026.1 on makes one where Neutron asks for it.
        port.port_profile.create_tap = False
    return port


def _is_bridge(port: Any) -> bool:
    return bool(port.obj_name() == "VIFBridge")
