# SPDX-License-Identifier: Apache-2.0
"""Instances whose build a killed nova-compute left under way.

Nova puts them into ERROR when it is back (ComputeManager._init_instance) and leaves them alone, as
if a build had not come to anything. One may have come as far as its guest, which would run on under
a server that is in ERROR, with addresses that its successor wants.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

LOG = logging.getLogger(__name__)

BUILD_TASKS = frozenset(("scheduling", "block_device_mapping", "networking", "spawning"))
REBUILD_TASKS = frozenset(("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning"))
"""Values of ``task_state`` (nova.compute.task_states) with which Nova gives a build up."""

LEFT_ALONE = frozenset(("error", "soft-delete", "deleted"))
"""Values of ``vm_state`` (nova.compute.vm_states) for which it does not look at these."""


def interrupted(instance: Any) -> bool:
    """Tell whether a nova-compute that starts gives ``instance`` up.

    The rule is Nova's (ComputeManager._init_instance), which leaves a server as it is that was in
    ERROR before, or is deleted but for its reclaiming.
    """
    if instance.vm_state in LEFT_ALONE:
        return False
    built = instance.vm_state == "building" or instance.task_state in BUILD_TASKS
    is_rebuilt = instance.task_state in REBUILD_TASKS
    return built or (is_rebuilt and instance.vm_state in ("active", "stopped"))


def end(driver: Any, instances: Iterable[Any], how: Callable[[Any], object]) -> None:
    """End what ``driver`` has of those of ``instances`` whose build was interrupted.

    ``how`` does it. Where it powers off, what the instance has stays until Nova's delete, and its
    user may look into it or start it with a hard reboot.
    """
    for instance in filter(interrupted, instances):
        try:
            if driver.instance_exists(instance):
                LOG.warning("The build of %s was interrupted: ending it", instance.uuid)
                how(instance)
        except Exception:
            # The others are to have their nova-compute back.
            LOG.exception("Cannot end %s, whose build was interrupted", instance.uuid)
