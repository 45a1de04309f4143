# SPDX-License-Identifier: Apache-2.0
"""Limits of an instance, from its flavor.

The extra specs are those of Nova's libvirt driver: ``quota:cpu_shares``,
``quota:cpu_period`` and ``quota:cpu_quota`` (microseconds).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from oslo_utils import units

from novadrivers.docker.errors import UnusableFlavor

SHARES_PER_CPU = 1024
"""CPU shares of one CPU, as docker and the kernel count them."""
QUOTAS = ("cpu_shares", "cpu_period", "cpu_quota")
"""Extra specs ``quota:<name>``; Docker's API has the same names."""


@dataclass(frozen=True)
class Flavor:
    """Size of an instance."""

    memory_mb: int
    vcpus: int
    root_gb: int
    """0: no limit."""
    extra_specs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def host_config(flavor: Flavor, pids: int, disk_quota: bool) -> dict[str, object]:
    """Return the arguments of docker's ``create_host_config`` for the limits of ``flavor``.

    ``pids`` is the maximum of processes and threads; with ``disk_quota`` the storage driver can
    limit the root disk. Memory includes swap, as for a virtual machine. Raises UnusableFlavor if a
    quota is not a number.
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
