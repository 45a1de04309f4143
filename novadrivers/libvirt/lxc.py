# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for containers (``[libvirt] virt_type = lxc``)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nova.privsep import fs
from nova.virt import configdrive
from nova.virt.disk import api as disk_api
from nova.virt.libvirt import config
from nova.virt.libvirt import utils as libvirt_utils
from oslo_concurrency import processutils

from novadrivers.libvirt import driver, orphans
from novadrivers.shared import config_drive, vif_events

SEED = "/var/lib/cloud/seed/config_drive"
"""Where cloud-init looks for a config drive that is a directory."""


class ConfigDrive(config.LibvirtConfigGuestFilesys):
    """``<filesystem>``, https://libvirt.org/formatdomain.html#filesystems, for reading only."""

    def __init__(self, directory: Path) -> None:
        """Mount ``directory`` of the node in the container."""
        super().__init__()
        self.source_dir = str(directory)
        self.target_dir = SEED

    def format_dom(self) -> Any:
        """Return the XML element."""
        root = super().format_dom()
        root.append(self._text_node("readonly", ""))
        return root


def attached(disk: Path) -> list[str]:
    """Return the loop devices (/dev/loopN) that the file ``disk`` is attached to."""
    if not disk.exists():
        return []
    devices, _ = processutils.execute("losetup", "--noheadings", "--output=NAME", "-j", str(disk))
    return [str(device) for device in devices.split()]


def set_links(devices: Iterable[str], state: str) -> None:
    """Set network devices of the node ``up`` or ``down``, ip-link(8).

    Those of a container that has ended are gone: Nova learns of it from libvirt.
    """
    for device in devices:
        processutils.execute("ip", "link", "set", "dev", device, state, check_exit_code=[0, 1])


class LxcDriver(driver.LibvirtDriver):
    """Nova's libvirt driver on a node of type lxc.

    Nova makes a config drive as a disk, which libvirt gives to no container. Here it is a directory
    that the container mounts.
    """

    def _create_configdrive(
        self, context: Any, instance: Any, injection_info: Any, *arguments: Any, **named: Any
    ) -> None:
        """Write the config drive, if the instance wants one; Nova calls it before the start."""
        instance.device_metadata = self._build_device_metadata(context, instance)
        if configdrive.required_by(instance):
            config_drive.write(
                _directory(instance) / "config-drive",
                instance,
                injection_info.files,
                injection_info.admin_pass,
                injection_info.network_info,
            )

    def _get_guest_config(self, instance: Any, *arguments: Any, **named: Any) -> Any:
        guest = super()._get_guest_config(instance, *arguments, **named)
        if configdrive.required_by(instance):
            guest.add_device(ConfigDrive(_directory(instance) / "config-drive"))
        return guest

    def _create_guest_with_network(
        self,
        context: Any,
        xml: str,
        instance: Any,
        network_info: Any,
        *arguments: Any,
        power_on: bool = True,
        vifs_already_plugged: bool = False,
        **named: Any,
    ) -> Any:
        """Start the container, and wait until Neutron has connected it, as for virtual machines.

        Nova starts those paused, which a container cannot be. Here the interfaces have no carrier
        until then: a DHCP request that is lost would cost the boot another three seconds.
        """
        new = power_on and not vifs_already_plugged
        events = vif_events.expected(network_info) if new else []
        ports = {port for _, port in events}
        devices = [
            self.vif_driver.get_vif_devname(vif) for vif in network_info if vif["id"] in ports
        ]
        with vif_events.awaited(self.virtapi, instance, events):
            guest = super()._create_guest_with_network(
                context,
                xml,
                instance,
                network_info,
                *arguments,
                power_on=power_on,
                vifs_already_plugged=vifs_already_plugged,
                **named,
            )
            set_links(devices, "down")
        set_links(devices, "up")
        return guest

    def _destroy(self, instance: Any) -> None:
        """Stop the domain, and what libvirt does not know any more to be of it."""
        super()._destroy(instance)
        orphans.kill(instance.uuid)

    def delete_instance_files(self, instance: Any) -> Any:
        """Remove the instance's directory, also of a container that Nova has not taken down whole.

        A container whose start libvirt did not survive is still mounted: Nova asks libvirt whether
        it runs before it unmounts it. A disk that was unmounted when nova-compute was stopped is
        still attached to its loop device, which would outlive the file.
        """
        directory = _directory(instance)
        if (directory / "rootfs").is_mount():
            disk_api.teardown_container(container_dir=str(directory / "rootfs"))
        for device in attached(directory / "disk"):
            fs.loopremove(device)
        return super().delete_instance_files(instance)


def _directory(instance: Any) -> Path:
    return Path(libvirt_utils.get_instance_path(instance))
