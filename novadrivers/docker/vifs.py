# SPDX-License-Identifier: Apache-2.0
"""Plug Neutron ports into a container's network namespace: Linux bridges and Open vSwitch.

os-vif makes what the layer 2 agent expects on the node: the bridge, or the port of an Open vSwitch
bridge. A veth pair takes the place of a virtual machine's tap device. Its outer end has the tap's
name, which the agents look for; its inner end is ethN of the instance.
"""

import copy
from typing import Any

import os_vif
from nova.network import os_vif_util
from oslo_log import log as logging

from novadrivers.docker import commands, links, ports
from novadrivers.docker.errors import UnusablePort
from novadrivers.shared.nova_types import VIF, Instance

LOG = logging.getLogger(__name__)


def plug(instance: Instance, vif: VIF, pid: int, configure_ips: bool) -> None:
    """Plug the port ``vif`` into the network namespace of ``pid``; keep what is plugged already.

    With ``configure_ips`` the port gets its addresses and routes. Raises UnusablePort if its type
    is not supported. After an error, nothing of a new port is left.
    """
    port = _os_vif(vif)
    present = links.names_by_mac(pid)
    device, mac = ports.device_name(vif), vif["address"].lower()
    name = present.get(mac) or commands.free_name(list(present.values()))
    interface = ports.interface(vif, name)
    owner = os_vif_util.nova_to_osvif_instance(instance)
    new = mac not in present or not links.exists(device)
    try:
        if new:
            links.create(pid, device, name, mac, interface.mtu)
        os_vif.plug(port, owner)
        if _is_bridge(port):
            links.add_to_bridge(device, port.bridge_name)
        if configure_ips:
            links.configure(pid, name, list(interface.addresses), list(interface.routes))
    except BaseException:
        # A port that a running instance had before stays.
        if new:
            _undo(port, owner, device)
        raise


def _undo(port: Any, owner: Any, device: str) -> None:
    """Unplug what was plugged; errors are logged, as the caller raises the first one."""
    for step, arguments in ((os_vif.unplug, (port, owner)), (links.delete, (device,))):
        try:
            step(*arguments)
        except Exception:
            LOG.exception("Cannot unplug %s", device)


def unplug(instance: Instance, vif: VIF) -> None:
    """Remove the port ``vif`` from its bridge and its container, as far as it is there."""
    os_vif.unplug(_os_vif(vif), os_vif_util.nova_to_osvif_instance(instance))
    links.delete(ports.device_name(vif))


def _os_vif(vif: VIF) -> Any:
    """Return the port as os-vif's object."""
    delegated: Any = copy.deepcopy(vif)
    # os-vif is to add the port to Open vSwitch, as there is no libvirt that would.
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
        # The veth pair is the tap. os-vif since 2026.1 would make another if Neutron asks for it.
        port.port_profile.create_tap = False
    return port


def _is_bridge(port: Any) -> bool:
    return bool(port.obj_name() == "VIFBridge")
