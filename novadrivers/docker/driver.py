# SPDX-License-Identifier: Apache-2.0
"""Nova's compute driver for Docker: ``compute_driver = docker.DockerDriver``.

Arguments, results and exceptions are those of ``nova.virt.driver.ComputeDriver``; tests compare the
methods' signatures with three releases of Nova.
"""

from typing import Any

import nova.conf
from nova import exception
from nova.compute import power_state, task_states
from nova.image import glance
from nova.virt import driver, images
from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_utils import excutils

from novadrivers.docker import containers, files, inventory, specs, vifs
from novadrivers.docker.errors import NoContainer, UnusableImage
from novadrivers.docker.failures import plugging, translated
from novadrivers.docker.host import DockerHost
from novadrivers.docker.snapshots import exported
from novadrivers.shared import config_drive, vif_events
from novadrivers.shared.retry import patient

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)


class DockerDriver(DockerHost):
    """Instances as system containers of the docker daemon at ``[docker] url``."""

    capabilities = {
        **driver.ComputeDriver.capabilities,
        "has_imagecache": True,
        "supports_attach_interface": True,
        "supports_image_type_raw": True,
    }

    @translated
    def spawn(
        self,
        context: Any,
        instance: Any,
        image_meta: Any,
        injected_files: Any,
        admin_password: str | None,
        allocations: Any,
        network_info: Any = None,
        block_device_info: Any = None,
        power_on: bool = True,
        accel_info: Any = None,
    ) -> None:
        """Make an instance, its ports before its init runs; an error leaves nothing behind."""
        specs.refuse_disks(image_meta, block_device_info)
        try:
            image_id = self._image(context, instance, image_meta)
            spec = specs.spec(CONF, instance, image_meta, network_info)
            config_drive.write(
                spec.config_drive, instance, injected_files, admin_password, network_info
            )
            self._containers.create(spec, image_id)
            self._plug_and_wait(instance, network_info)
            if power_on:
                self._containers.start(instance.uuid)
        except BaseException:
            with excutils.save_and_reraise_exception():
                self.cleanup(context, instance, network_info)

    @patient(exception.HypervisorUnavailable)
    def destroy(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """Remove the instance, whole or half made; wait for a daemon that is being restarted."""
        self.cleanup(context, instance, network_info, block_device_info, destroy_disks)

    @translated
    def cleanup(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        destroy_disks: bool = True,
        migrate_data: Any = None,
        destroy_vifs: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """Remove what the instance has on this node."""
        self._containers.remove(instance.uuid)
        if destroy_vifs:
            self.unplug_vifs(instance, network_info)
        if destroy_disks:
            self.delete_instance_files(instance)

    def delete_instance_files(self, instance: Any) -> bool:
        """Remove the config drive, which holds secrets; return whether it is gone.

        Nova calls it for each deleted instance until it is (ComputeManager._run_pending_deletes):
        the process that deleted it may have been killed between the containers and the files.
        """
        return files.remove(specs.directory(CONF, instance.uuid))

    @translated
    def power_on(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        block_device_info: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """Start the instance, with its ports in place first."""
        with lockutils.lock(f"docker-instance-{instance.uuid}"):
            self._plug(instance, network_info)
            self._containers.start(instance.uuid)

    @translated
    def power_off(self, instance: Any, timeout: int = 0, retry_interval: int = 0) -> None:
        """Shut the instance down within ``timeout`` seconds; 0 ends it at once."""
        self._containers.stop(instance.uuid, timeout)

    def reboot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        reboot_type: str,
        block_device_info: Any = None,
        bad_volumes_callback: Any = None,
        accel_info: Any = None,
        share_info: Any = None,
    ) -> None:
        """Shut down and start again; HARD does not ask the instance, and repairs its network."""
        self.power_off(instance, 0 if reboot_type == "HARD" else CONF.shutdown_timeout)
        self.power_on(context, instance, network_info)

    def resume_state_on_host_boot(
        self,
        context: Any,
        instance: Any,
        network_info: Any,
        share_info: Any = None,
        block_device_info: Any = None,
    ) -> None:
        """Start the instance where it is not running; ``share_info`` is new in 2025.1."""
        if self.get_info(instance).state != power_state.RUNNING:
            self.power_on(context, instance, network_info)

    @translated
    def pause(self, instance: Any) -> None:
        """Freeze the instance."""
        self._containers.pause(instance.uuid)

    @translated
    def unpause(self, instance: Any) -> None:
        """Thaw the instance."""
        self._containers.unpause(instance.uuid)

    @translated
    def get_console_output(self, context: Any, instance: Any) -> bytes:
        """Return the end of the console log."""
        return self._containers.console(instance.uuid)

    def get_device_name_for_instance(self, instance: Any, bdms: Any, block_device_obj: Any) -> str:
        """Refuse a volume where the API still waits: the caller gets 400 with the reason.

        Nova asks before it records the volume (ComputeManager.reserve_block_device_name). Until
        2025.1 its API waits for that (compute.api.API._create_volume_bdm), in 2026.2 only where its
        caller wants the device's name (API.attach_volume, needs_device_returned).
        """
        raise exception.InvalidInput(reason="docker instances have no volumes")

    @translated
    def snapshot(self, context: Any, instance: Any, image_id: str, update_task_state: Any) -> None:
        """Upload the instance's file system to the Glance image ``image_id``."""
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        name = containers.container_name(instance.uuid)
        with exported(self._api, name, image_id, specs.image_directory(CONF)) as file:
            update_task_state(
                task_state=task_states.IMAGE_UPLOADING,
                expected_state=task_states.IMAGE_PENDING_UPLOAD,
            )
            described = {
                "disk_format": "raw",
                "container_format": inventory.CONTAINER_FORMAT,
                "properties": {"hypervisor_type": inventory.HYPERVISOR},
            }
            glance.API().update(context, image_id, described, file, purge_props=False)

    def _image(self, context: Any, instance: Any, image_meta: Any) -> str:
        image_id = image_meta.id if image_meta.obj_attr_is_set("id") else "(none)"
        try:
            if image_meta.container_format != inventory.CONTAINER_FORMAT:
                raise UnusableImage(
                    f"its container_format is {image_meta.container_format}, "
                    f"not {inventory.CONTAINER_FORMAT}"
                )
            certificates = instance.trusted_certs
            found = self._images.ensure(
                image_id, lambda path: images.fetch(context, image_id, str(path), certificates)
            )
        except UnusableImage as error:
            raise exception.ImageUnacceptable(image_id=image_id, reason=str(error)) from error
        self._images.check_size(found, instance.flavor.root_gb)
        return found

    # Network

    @patient(exception.HypervisorUnavailable)
    @plugging
    @translated
    def plug_vifs(self, instance: Any, network_info: Any) -> None:
        """Put the instance's ports in place, where it has any container."""
        try:
            self._plug(instance, network_info)
        except NoContainer:
            LOG.info("No container to plug the ports into", instance=instance)

    def unplug_vifs(self, instance: Any, network_info: Any) -> None:
        """Remove the instance's ports; one that cannot be removed does not keep the others."""
        for vif in network_info or ():
            try:
                vifs.unplug(instance, vif)
            except Exception:
                # As Nova's libvirt driver in cleanup: the instance is gone, a delete must end.
                LOG.exception("Cannot unplug the port %s", vif["id"], instance=instance)

    @translated
    def attach_interface(self, context: Any, instance: Any, image_meta: Any, vif: Any) -> None:
        """Add a port."""
        self._plug(instance, [vif])

    @translated
    def detach_interface(self, context: Any, instance: Any, vif: Any) -> None:
        """Remove a port."""
        vifs.unplug(instance, vif)

    def _plug(self, instance: Any, network_info: Any) -> None:
        pid = self._containers.start_sandbox(instance.uuid)
        for vif in network_info or ():
            vifs.plug(instance, vif, pid, CONF.docker.configure_ips)

    def _plug_and_wait(self, instance: Any, network_info: Any) -> None:
        """Plug the ports and wait until Neutron says that they work."""
        events = vif_events.expected(network_info or ())
        with vif_events.awaited(self.virtapi, instance, events):
            self._plug(instance, network_info)
