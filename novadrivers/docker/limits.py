# SPDX-License-Identifier: Apache-2.0
"""Limits of an instance from its flavor.

The flavor's extra specs are those of Nova's libvirt driver: ``quota:cpu_shares``,
``quota:cpu_period`` and ``quota:cpu_quota`` (microseconds).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from oslo_utils import units

from novadrivers.docker.errors import UnusableFlavor

SHARES_PER_CPU = 1024
"""Docker's and the kernel's weight of one CPU."""
QUOTAS = ("cpu_shares", "cpu_period", "cpu_quota")
"""Extra specs ``quota:<name>``, which Docker's API calls by the same names."""


@dataclass(frozen=True)
class Flavor:
    """Size of an instance."""

    memory_mb: int
    vcpus: int
    root_gb: int
    """0: as large as the image needs."""
    extra_specs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def host_config(flavor: Flavor, pids: int, disk_quota: bool) -> dict[str, object]:
    """Return the arguments of docker's ``create_host_config`` that hold ``flavor``'s limits.

    ``pids`` is the most processes and threads; ``disk_quota`` says that the storage driver can hold
    the root disk to its size. Memory includes swap, as a virtual machine's would. Raises
    UnusableFlavor where a quota is not a number.
    """
    memory = flavor.memory_mb * units.Mi
    limits: dict[str, object] = {
        "mem_limit": memory,
        "memswap_limit": memory,
        "cpu_shares": flavor.vcpus * SHARES_PER_CPU,
        "pids_limit": pids,
    }
    for name in QUOTAS:
        value = flavor.extra_specs.get(f"quota:{name}")
        if value is None:
            continue
        if not value.isdecimal():
            raise UnusableFlavor(f"the flavor's quota:{name} is {value!r}, not a number")
        limits[name] = int(value)
    if disk_quota and flavor.root_gb:
        limits["storage_opt"] = {"size": f"{flavor.root_gb}G"}
    return limits
