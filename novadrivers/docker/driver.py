# SPDX-License-Identifier: Apache-2.0
"""Nova's compute driver for Docker: ``compute_driver = docker.DockerDriver``.

Arguments, results and exceptions are those of ``nova.virt.driver.ComputeDriver``. Tests compare the
signatures of the methods with three releases of Nova.
"""

from collections.abc import Callable

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
from novadrivers.docker.failures import translate_errors, translate_plug_errors
from novadrivers.docker.host import DockerHost
from novadrivers.docker.snapshots import exported
from novadrivers.shared import config_drive, vif_events
from novadrivers.shared.nova_types import (
    VIF,
    BlockDeviceInfo,
    ImageMeta,
    Instance,
    NetworkInfo,
    RequestContext,
)
from novadrivers.shared.retry import retry_on

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

    @translate_errors
    def spawn(
        self,
        context: RequestContext,
        instance: Instance,
        image_meta: ImageMeta,
        injected_files: config_drive.InjectedFiles,
        admin_password: str | None,
        allocations: object,
        network_info: NetworkInfo | None = None,
        block_device_info: BlockDeviceInfo = None,
        power_on: bool = True,
        accel_info: object = None,
    ) -> None:
        """Create and start an instance, with its ports; an error leaves nothing behind."""
        specs.reject_disks(image_meta, block_device_info)
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
                self._containers.require_running(instance.uuid)
        except BaseException:
            with excutils.save_and_reraise_exception():
                self.cleanup(context, instance, network_info)

    @retry_on(exception.HypervisorUnavailable)
    def destroy(
        self,
        context: RequestContext,
        instance: Instance,
        network_info: NetworkInfo | None,
        block_device_info: BlockDeviceInfo = None,
        destroy_disks: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """Remove the instance, complete or not; retry while the daemon is restarted."""
        self.cleanup(context, instance, network_info, block_device_info, destroy_disks)

    @translate_errors
    def cleanup(
        self,
        context: RequestContext,
        instance: Instance,
        network_info: NetworkInfo | None,
        block_device_info: BlockDeviceInfo = None,
        destroy_disks: bool = True,
        migrate_data: object = None,
        destroy_vifs: bool = True,
        destroy_secrets: bool = True,
    ) -> None:
        """Remove the instance's containers, ports and files from this node."""
        self._containers.remove(instance.uuid)
        if destroy_vifs:
            self.unplug_vifs(instance, network_info)
        if destroy_disks:
            self.delete_instance_files(instance)

    def delete_instance_files(self, instance: Instance) -> bool:
        """Remove the config drive, which has secrets; return whether it is gone.

        Nova calls it for deleted instances until it returns True
        (ComputeManager._run_pending_deletes): nova-compute may have been killed after it removed
        the containers.
        """
        return files.remove(specs.directory(CONF, instance.uuid))

    @translate_errors
    def power_on(
        self,
        context: RequestContext,
        instance: Instance,
        network_info: NetworkInfo | None,
        block_device_info: BlockDeviceInfo = None,
        accel_info: object = None,
        share_info: object = None,
    ) -> None:
        """Start the instance after plugging its ports."""
        with lockutils.lock(f"docker-instance-{instance.uuid}"):
            self._plug(instance, network_info)
            self._containers.start(instance.uuid)

    @translate_errors
    def power_off(self, instance: Instance, timeout: int = 0, retry_interval: int = 0) -> None:
        """Shut the instance down, and kill it after ``timeout`` seconds; 0 kills it at once."""
        self._containers.stop(instance.uuid, timeout)

    def reboot(
        self,
        context: RequestContext,
        instance: Instance,
        network_info: NetworkInfo | None,
        reboot_type: str,
        block_device_info: BlockDeviceInfo = None,
        bad_volumes_callback: object = None,
        accel_info: object = None,
        share_info: object = None,
    ) -> None:
        """Shut down and start; a HARD reboot kills the instance and repairs its network."""
        self.power_off(instance, 0 if reboot_type == "HARD" else CONF.shutdown_timeout)
        self.power_on(context, instance, network_info)

    def resume_state_on_host_boot(
        self,
        context: RequestContext,
        instance: Instance,
        network_info: NetworkInfo | None,
        share_info: object = None,
        block_device_info: BlockDeviceInfo = None,
    ) -> None:
        """Start the instance unless it runs; ``share_info`` exists since 2025.1."""
        if self.get_info(instance).state != power_state.RUNNING:
            self.power_on(context, instance, network_info)

    @translate_errors
    def pause(self, instance: Instance) -> None:
        """Freeze the instance."""
        self._containers.pause(instance.uuid)

    @translate_errors
    def unpause(self, instance: Instance) -> None:
        """Thaw the instance."""
        self._containers.unpause(instance.uuid)

    @translate_errors
    def get_console_output(self, context: RequestContext, instance: Instance) -> bytes:
        """Return the end of the console log."""
        return self._containers.console(instance.uuid)

    def get_device_name_for_instance(
        self, instance: Instance, bdms: object, block_device_obj: object
    ) -> str:
        """Reject a volume while the API still waits: the user gets 400 with the reason.

        Nova calls it before it records the volume (ComputeManager.reserve_block_device_name). Until
        2025.1 its API waits for that (compute.api.API._create_volume_bdm); in 2026.2 only if the
        user wants the device's name (API.attach_volume, needs_device_returned).
        """
        raise exception.InvalidInput(reason="docker instances have no volumes")

    @translate_errors
    def snapshot(
        self,
        context: RequestContext,
        instance: Instance,
        image_id: str,
        update_task_state: Callable[..., None],
    ) -> None:
        """Upload the instance's file system to the Glance image ``image_id``."""
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        name = containers.container_name(instance.uuid)
        with exported(self._api, name, image_id, specs.image_directory(CONF)) as file:
            update_task_state(
                task_state=task_states.IMAGE_UPLOADING,
                expected_state=task_states.IMAGE_PENDING_UPLOAD,
            )
            image = {
                "disk_format": "raw",
                "container_format": inventory.CONTAINER_FORMAT,
                "properties": {"hypervisor_type": inventory.HYPERVISOR},
            }
            glance.API().update(context, image_id, image, file, purge_props=False)

    def _image(self, context: RequestContext, instance: Instance, image_meta: ImageMeta) -> str:
        image_id = specs.image_id(image_meta)
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

    @retry_on(exception.HypervisorUnavailable)
    @translate_plug_errors
    @translate_errors
    def plug_vifs(self, instance: Instance, network_info: NetworkInfo | None) -> None:
        """Plug the instance's ports, if it has a container."""
        try:
            self._plug(instance, network_info)
        except NoContainer:
            LOG.info("No container to plug the ports into", instance=instance)

    def unplug_vifs(self, instance: Instance, network_info: NetworkInfo | None) -> None:
        """Unplug the instance's ports; errors are logged."""
        for vif in network_info or ():
            try:
                vifs.unplug(instance, vif)
            except Exception:
                # As in the cleanup of Nova's libvirt driver: a delete must not fail here, because
                # the instance is gone already.
                LOG.exception("Cannot unplug the port %s", vif["id"], instance=instance)

    @translate_errors
    def attach_interface(
        self, context: RequestContext, instance: Instance, image_meta: ImageMeta, vif: VIF
    ) -> None:
        """Plug another port."""
        self._plug(instance, [vif])

    @translate_errors
    def detach_interface(self, context: RequestContext, instance: Instance, vif: VIF) -> None:
        """Unplug a port."""
        vifs.unplug(instance, vif)

    def _plug(self, instance: Instance, network_info: NetworkInfo | None) -> None:
        pid = self._containers.start_sandbox(instance.uuid)
        for vif in network_info or ():
            vifs.plug(instance, vif, pid, CONF.docker.configure_ips)

    def _plug_and_wait(self, instance: Instance, network_info: NetworkInfo | None) -> None:
        """Plug the ports and wait until Neutron reports that they work."""
        events = vif_events.plugged_events(network_info or ())
        with vif_events.wait_after(self.virtapi, instance, events):
            self._plug(instance, network_info)
