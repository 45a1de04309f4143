# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for containers (``[libvirt] virt_type = lxc``)."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nova import exception
from nova.compute import power_state
from nova.privsep import fs
from nova.virt import configdrive
from nova.virt.disk import api as disk_api
from nova.virt.libvirt import config
from oslo_concurrency import processutils

from novadrivers.libvirt import driver, orphans
from novadrivers.libvirt.driver import console, instance_directory
from novadrivers.shared import config_drive, guest_ended, vif_events
from novadrivers.shared.capabilities import HARMFUL
from novadrivers.shared.nova_types import Instance, NetworkInfo, RequestContext

CLOUD_INIT_SEED = "/var/lib/cloud/seed/config_drive"
"""Where cloud-init looks for a config drive that is a directory."""


class ConfigDriveFilesystem(config.LibvirtConfigGuestFilesys):
    """A read-only ``<filesystem>``, https://libvirt.org/formatdomain.html#filesystems."""

    def __init__(self, directory: Path) -> None:
        """Mount ``directory`` of the node in the container."""
        super().__init__()
        self.source_dir = str(directory)
        self.target_dir = CLOUD_INIT_SEED

    def format_dom(self) -> Any:
        """Return the XML element."""
        root = super().format_dom()
        root.append(self._text_node("readonly", ""))
        return root


class PrivateNetwork(config.LibvirtConfigGuestFeature):
    """``<privnet>``, https://libvirt.org/formatdomain.html#hypervisor-features.

    Without it a container that has no interface lives in the node's network namespace.
    """

    def __init__(self) -> None:
        """Give the container a network namespace of its own in any case."""
        super().__init__("privnet")


class Capabilities(config.LibvirtConfigGuestFeature):
    """``<capabilities>``: libvirt's default set without those that are harmful.

    See https://libvirt.org/drvlxc.html#how-to-configure-capabilities.
    """

    def __init__(self) -> None:
        """Take the harmful ones away."""
        super().__init__("capabilities")

    def format_dom(self) -> Any:
        """Return the XML element."""
        root = super().format_dom()
        root.set("policy", "default")
        for name in HARMFUL:
            root.append(self._text_node(name, "", state="off"))
        return root


def loop_devices(disk: Path) -> list[str]:
    """Return the loop devices (/dev/loopN) that the file ``disk`` is attached to."""
    if not disk.exists():
        return []
    devices, _ = processutils.execute("losetup", "--noheadings", "--output=NAME", "-j", str(disk))
    return [str(device) for device in devices.split()]


def set_link_state(devices: Iterable[str], state: str) -> None:
    """Set network ``devices`` of the node to ``state``: up or down, see ip-link(8).

    Devices that do not exist are ignored: those of a container that has ended. Nova learns from
    libvirt that it has.
    """
    for device in devices:
        processutils.execute("ip", "link", "set", "dev", device, state, check_exit_code=[0, 1])


class LxcDriver(driver.LibvirtDriver):
    """Nova's libvirt driver on a node of type lxc.

    Nova makes a config drive as a disk image, which libvirt does not attach to containers. Here it
    is a directory that the container mounts.
    """

    def _create_configdrive(
        self,
        context: RequestContext,
        instance: Instance,
        injection_info: Any,
        *args: Any,
        **kwargs: Any,
    ) -> None:
        """Write the config drive if the instance needs one; called before the container starts."""
        instance.device_metadata = self._build_device_metadata(context, instance)
        if configdrive.required_by(instance):
            config_drive.write(
                instance_directory(instance) / "config-drive",
                instance,
                injection_info.files,
                injection_info.admin_pass,
                injection_info.network_info,
            )

    def _get_guest_config(self, instance: Instance, *args: Any, **kwargs: Any) -> Any:
        guest = super()._get_guest_config(instance, *args, **kwargs)
        guest.features += [PrivateNetwork(), Capabilities()]
        if configdrive.required_by(instance):
            guest.add_device(ConfigDriveFilesystem(instance_directory(instance) / "config-drive"))
        return guest

    def _create_guest_with_network(
        self,
        context: RequestContext,
        xml: str,
        instance: Instance,
        network_info: NetworkInfo,
        *args: Any,
        power_on: bool = True,
        vifs_already_plugged: bool = False,
        **kwargs: Any,
    ) -> Any:
        """Start the container and wait until Neutron has connected it, as for virtual machines.

        Nova starts virtual machines paused, which containers cannot be. Here the interfaces have no
        carrier until Neutron is ready: a lost DHCP request would delay the boot by three seconds.
        """
        is_new = power_on and not vifs_already_plugged
        events = vif_events.plugged_events(network_info) if is_new else []
        ports = {port for _, port in events}
        devices = [
            self.vif_driver.get_vif_devname(vif) for vif in network_info if vif["id"] in ports
        ]
        with vif_events.wait_after(self.virtapi, instance, events):
            guest = super()._create_guest_with_network(
                context,
                xml,
                instance,
                network_info,
                *args,
                power_on=power_on,
                vifs_already_plugged=vifs_already_plugged,
                **kwargs,
            )
            set_link_state(devices, "down")
            if is_new:
                # Of a guest that has ended Neutron would report nothing until the timeout.
                self._require_running(instance)
        set_link_state(devices, "up")
        return guest

    def _create_guest(
        self, context: RequestContext, xml: str, instance: Instance, *args: Any, **kwargs: Any
    ) -> Any:
        """Start the container; the error of one that ends meanwhile says what it said.

        libvirt then fails to reach the container's controller, which is gone.
        """
        before = len(console(instance))
        try:
            return super()._create_guest(context, xml, instance, *args, **kwargs)
        except Exception as error:
            said = console(instance)[before:]
            if not said:
                raise
            raise exception.NovaException(guest_ended.message(said)) from error

    def _is_down(self, info: Any) -> bool:
        """Tell whether the container's first process has ended; the domain's id is a PID."""
        return super()._is_down(info) or (
            info.state == power_state.RUNNING and not orphans.has_child(int(info.internal_id))
        )

    def _require_running(self, instance: Instance) -> None:
        """Watch a guest that was just started; raise NovaException if it ends."""
        if guest_ended.watch(lambda: self._is_down(self._info(instance))):
            self._started.discard(instance.uuid)
            raise self._ended(instance)

    def init_host(self, host: str) -> None:
        """Connect to libvirtd, and remove what containers left that ended meanwhile."""
        super().init_host(host)
        orphans.forget_cgroups()

    def _destroy(self, instance: Instance) -> None:
        """Stop the domain; remove processes and groups of it that libvirt has lost track of."""
        super()._destroy(instance)
        orphans.kill(instance.uuid)
        orphans.forget_cgroups(instance.name)

    def delete_instance_files(self, instance: Instance) -> Any:
        """Remove the instance's directory, after unmounting and detaching what Nova left.

        If libvirtd died during a start, the container's root is still mounted, because Nova asks
        libvirt for the container's state before it unmounts it. If nova-compute was stopped just
        after it unmounted a disk, the disk is still attached to its loop device, which would
        outlive the file.
        """
        directory = instance_directory(instance)
        if (directory / "rootfs").is_mount():
            disk_api.teardown_container(container_dir=str(directory / "rootfs"))
        for device in loop_devices(directory / "disk"):
            fs.loopremove(device)
        return super().delete_instance_files(instance)
