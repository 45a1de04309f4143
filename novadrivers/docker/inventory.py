# SPDX-License-Identifier: Apache-2.0
"""Resources of the node, as Nova and Placement expect them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oslo_utils import units

from novadrivers.docker.engine import Engine

HYPERVISOR, VM_MODE = "docker", "exe"
"""HVType.DOCKER and VMMode.EXE of nova.objects.fields, which ImagePropertiesFilter compares."""
CONTAINER_FORMAT = "docker"
"""Glance's container_format of a docker archive."""


@dataclass(frozen=True)
class Disk:
    """File system of the daemon's images and containers, in bytes."""

    total: int
    used: int
    free: int


def resource(engine: Engine, disk: Disk, node: str) -> dict[str, Any]:
    """Return the node's record for ``ComputeDriver.get_available_resource``."""
    return {
        "vcpus": engine.cpus,
        "memory_mb": engine.memory // units.Mi,
        "local_gb": disk.total // units.Gi,
        "vcpus_used": 0,
        "memory_mb_used": 0,
        "local_gb_used": disk.used // units.Gi,
        "disk_available_least": disk.free // units.Gi,
        "hypervisor_type": HYPERVISOR,
        "hypervisor_version": engine.version_number,
        "hypervisor_hostname": node,
        "cpu_info": "",
        "numa_topology": None,
        "supported_instances": [(engine.machine, HYPERVISOR, VM_MODE)],
    }


def inventory(
    engine: Engine, disk: Disk, reserved: Mapping[str, int], ratios: Mapping[str, float]
) -> dict[str, dict[str, float]]:
    """Return Placement's inventory of the node.

    ``reserved`` and ``ratios`` have an entry for each of VCPU, MEMORY_MB and DISK_GB. Resource
    classes with a total of 0 are left out, because Placement requires at least 1.
    """
    totals = {
        "VCPU": engine.cpus,
        "MEMORY_MB": engine.memory // units.Mi,
        "DISK_GB": disk.total // units.Gi,
    }
    return {
        name: {
            "total": total,
            "reserved": reserved[name],
            "min_unit": 1,
            "max_unit": total,
            "step_size": 1,
            "allocation_ratio": ratios[name],
        }
        for name, total in totals.items()
        if total
    }
