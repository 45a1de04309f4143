# SPDX-License-Identifier: Apache-2.0
"""Instances that were being built when nova-compute was killed.

When nova-compute starts again, Nova sets them to ERROR (ComputeManager._init_instance) and does
nothing else, as if a build had made nothing yet. But its guest may exist already. It would keep
running for a server in ERROR, with addresses that the server's replacement wants.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from novadrivers.shared.nova_types import Instance

LOG = logging.getLogger(__name__)

BUILD_TASKS = frozenset(("scheduling", "block_device_mapping", "networking", "spawning"))
REBUILD_TASKS = frozenset(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"))
"""Values of ``task_state`` (nova.compute.task_states) for which Nova gives up a build."""

EXEMPT_STATES = frozenset(("error", "soft-delete", "deleted"))
"""Values of ``vm_state`` (nova.compute.vm_states) for which Nova ignores the task state."""


class Driver(Protocol):
    """The part of nova.virt.driver.ComputeDriver that is needed here."""

    def instance_exists(self, instance: Instance) -> bool:
        """Tell whether the hypervisor has a guest of ``instance``."""


def is_interrupted(instance: Instance) -> bool:
    """Tell whether a nova-compute that starts gives up the build of ``instance``.

    The rule is that of ComputeManager._init_instance.
    """
    if instance.vm_state in EXEMPT_STATES:
        return False
    built = instance.vm_state == "building" or instance.task_state in BUILD_TASKS
    is_rebuilt = instance.task_state in REBUILD_TASKS
    return built or (is_rebuilt and instance.vm_state in ("active", "stopped"))


def stop_guests(
    driver: Driver, instances: Iterable[Instance], stop: Callable[[Instance], object]
) -> None:
    """Call ``stop`` for each of ``instances`` that has a guest and whose build was interrupted.

    If ``stop`` only powers off, the guest's files stay until the server is deleted; its user may
    inspect it, or start it with a hard reboot. An error of ``stop`` is logged.
    """
    for instance in filter(is_interrupted, instances):
        try:
            if driver.instance_exists(instance):
                LOG.warning("The build of %s was interrupted: stopping its guest", instance.uuid)
                stop(instance)
        except Exception:
            # One instance must not keep nova-compute from its start.
            LOG.exception("Cannot stop %s, whose build was interrupted", instance.uuid)
