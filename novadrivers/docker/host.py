# SPDX-License-Identifier: Apache-2.0
"""The part of the driver that concerns the node: daemon, resources and image cache."""

from collections.abc import Iterable, Iterator
from typing import Any

import nova.conf
from docker import APIClient, errors
from nova import context as nova_context
from nova import exception, objects
from nova.compute import power_state, vm_states
from nova.virt import driver, hardware, images
from nova.virt import event as virtevent
from oslo_concurrency import processutils
from oslo_log import log as logging

from novadrivers.docker import compat, conf, containers, engine, inventory, specs
from novadrivers.docker.events import Change, Watcher
from novadrivers.docker.failures import translate_errors
from novadrivers.docker.images import ImageCache
from novadrivers.docker.unsupported import UnsupportedMixin
from novadrivers.shared import interrupted_builds, network_agent
from novadrivers.shared.nova_types import Instance, RequestContext, VirtAPI
from novadrivers.shared.retry import retry_on

CONF = nova.conf.CONF
conf.register_options(CONF)
LOG = logging.getLogger(__name__)

LIFECYCLE = {
    Change.STARTED: virtevent.EVENT_LIFECYCLE_STARTED,
    Change.STOPPED: virtevent.EVENT_LIFECYCLE_STOPPED,
    Change.PAUSED: virtevent.EVENT_LIFECYCLE_PAUSED,
    Change.RESUMED: virtevent.EVENT_LIFECYCLE_RESUMED,
}


class DockerHost(network_agent.SharedAgentMixin, UnsupportedMixin, driver.ComputeDriver):
    """A node with a docker daemon, as Nova's resource tracker and periodic tasks see it."""

    def __init__(self, virtapi: VirtAPI) -> None:
        """Create the driver; init_host connects it to the daemon."""
        super().__init__(virtapi)
        self._api: APIClient = None
        self._containers: containers.Containers
        self._images: ImageCache
        self._watcher: Watcher

    def init_host(self, host: str) -> None:
        """Connect to the daemon, remove what a killed process left, and follow events."""
        try:
            self._api = engine.connect(CONF.docker.url, CONF.docker.api_timeout)
            found = engine.describe(self._api)
            self._containers = containers.Containers(self._api, found, specs.settings(CONF))
            self._images = ImageCache(self._api, specs.image_directory(CONF), found.architecture)
            self._images.clean()
            self._watcher = Watcher(
                lambda: engine.connect(CONF.docker.url, None),
                self._containers,
                CONF.host,
                self._report,
                self._recover,
            )
            self._watcher.restart_rebooted()
        except Exception as error:
            LOG.error("Cannot use the docker daemon at %s: %s", CONF.docker.url, error)
            raise exception.HypervisorUnavailable() from error
        LOG.info("The container engine: %s", found)
        if not found.live_restore:
            LOG.warning("dockerd runs without --live-restore: instances restart when it does")
        context = nova_context.get_admin_context()
        interrupted_builds.stop_guests(
            self, objects.InstanceList.get_by_host(context, host), self.power_off
        )
        self._watcher.start()

    def cleanup_host(self, host: str) -> None:
        """Stop following events; instances keep running."""
        self._watcher.stop()

    def _report(self, uuid: str, change: Change) -> None:
        self.emit_event(virtevent.LifecycleEvent(uuid, LIFECYCLE[change]))

    def _recover(self, uuid: str) -> None:
        """Start an instance that went down with the daemon, if it is active for Nova."""
        context = nova_context.get_admin_context()
        instance = objects.Instance.get_by_uuid(context, uuid)
        if instance.vm_state != vm_states.ACTIVE or instance.task_state is not None:
            return
        LOG.info("Starting the instance, which went down with the daemon", instance=instance)
        self.power_on(context, instance, instance.get_network_info())

    # Instances and resources

    @translate_errors
    def list_instances(self) -> list[str]:
        """Return the names of this nova-compute's instances, complete or not."""
        return sorted({name for _, name in self._present()})

    @translate_errors
    def list_instance_uuids(self) -> list[str]:
        """Return the uuids of this nova-compute's instances, complete or not."""
        return sorted({uuid for uuid, _ in self._present()})

    def _present(self) -> Iterator[tuple[str, str]]:
        for role in (containers.INSTANCE, containers.SANDBOX):
            yield from self._containers.list(role).items()

    # Retried, because it is the last step of each build, which fails with it.
    @retry_on(exception.HypervisorUnavailable)
    @translate_errors
    def get_info(self, instance: Instance, use_cache: bool = True) -> Any:
        """Return the instance's power state, or NOSTATE if the daemon fails to report it.

        Nova ignores NOSTATE (ComputeManager._sync_instance_power_state). After any exception except
        InstanceNotFound, nova-compute would not start (ComputeManager._init_instance).
        """
        try:
            state = self._containers.state(instance.uuid)
            running = state.running or self._watcher.is_rebooting(instance.uuid, state)
        except errors.APIError:
            LOG.exception("The docker daemon fails to report the state", instance=instance)
            return hardware.InstanceInfo(state=power_state.NOSTATE)
        power = power_state.RUNNING if running else power_state.SHUTDOWN
        if state.paused:
            power = power_state.PAUSED
        return hardware.InstanceInfo(state=power, internal_id=state.container_id)

    def get_available_nodes(self, refresh: bool = False) -> list[str]:
        """Return ``host`` as the only node: other nova-computes may have the machine's name."""
        return [CONF.host]

    @translate_errors
    def get_available_resource(self, nodename: str) -> dict[str, Any]:
        """Return the node's resources."""
        found = engine.describe(self._api)
        return (
            inventory.resource(found, specs.disk(found.root_directory), nodename)
            | compat.node_identity()
        )

    # Retried, because it is the last step of each delete, which fails with it.
    @retry_on(exception.HypervisorUnavailable)
    @translate_errors
    def update_provider_tree(
        self, provider_tree: Any, nodename: str, allocations: object = None
    ) -> None:
        """Update Placement's inventory of the node."""
        found = engine.describe(self._api)
        reserved = {
            "VCPU": CONF.reserved_host_cpus,
            "MEMORY_MB": CONF.reserved_host_memory_mb,
            "DISK_GB": self._get_reserved_host_disk_gb_from_config(),
        }
        ratios = self._get_allocation_ratios(provider_tree.data(nodename).inventory)
        provider_tree.update_inventory(
            nodename, inventory.inventory(found, specs.disk(found.root_directory), reserved, ratios)
        )

    def get_host_ip_addr(self) -> str:
        """Return ``my_ip``."""
        address: str = CONF.my_ip
        return address

    def get_host_uptime(self) -> str:
        """Return the output of ``uptime``."""
        out: str = processutils.execute("env", "LANG=C", "uptime")[0]
        return out

    # Images

    @translate_errors
    def cache_image(self, context: RequestContext, image_id: str) -> bool:
        """Load an image ahead of its first instance; return False if it was loaded before."""
        if self._images.find(image_id):
            return False
        self._images.ensure(image_id, lambda path: images.fetch(context, image_id, str(path)))
        return True

    @translate_errors
    def manage_image_cache(
        self, context: RequestContext, all_instances: Iterable[Instance]
    ) -> None:
        """Remove unused images that are old enough, and snapshots that are not in progress."""
        self._images.drop_snapshots()
        if CONF.image_cache.remove_unused_base_images:
            used = {instance.image_ref for instance in all_instances}
            age = CONF.image_cache.remove_unused_original_minimum_age_seconds
            for image_id in self._images.expire(used, age):
                LOG.info("Removed the unused image %s", image_id)
