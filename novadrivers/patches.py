# SPDX-License-Identifier: Apache-2.0
"""Everything that this package changes in Nova, in one table.

:func:`install` makes the changes, and only start scripts call it: :mod:`novadrivers.compute` and
``nova-fakes.py`` of the element nova-fake. Importing any other module changes nothing in Nova.
A driver that is loaded without it works, but raises RuntimeError if ``[sharedagent] agent_host`` is
set (:class:`novadrivers.shared.network_agent.SharedAgentMixin`).
"""

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novadrivers.shared import network_agent, service_state

DRIVERS = Path(__file__).resolve().parent / "virt"
"""Modules that Nova imports as ``nova.virt.<name>``: each only names a driver of this package."""


@dataclass(frozen=True)
class Patch:
    """One method of Nova that is replaced by a wrapper of itself."""

    module: str
    cls: str
    method: str
    wrapper: Callable[[Callable[..., Any]], Callable[..., Any]]
    """Takes Nova's method and returns the one that replaces it."""
    reason: str

    def install(self) -> None:
        """Replace the method."""
        cls = getattr(importlib.import_module(self.module), self.cls)
        setattr(cls, self.method, self.wrapper(getattr(cls, self.method)))


PATCHES = (
    Patch(
        "nova.network.neutron",
        "API",
        "setup_instance_network_on_host",
        network_agent.bind_to_agent_host,
        "A nova-compute that takes over an instance binds its ports to its own host, where no "
        "layer 2 agent is. Nova has no option or driver method for it.",
    ),
    Patch(
        "nova.service",
        "Service",
        "start",
        service_state.report_up_after,
        "A service that has started is not up for the scheduler until its first periodic report.",
    ),
    Patch(
        "nova.service",
        "Service",
        "stop",
        service_state.report_down_before,
        "A service that has stopped is up for the scheduler for another minute.",
    ),
)


@functools.cache
def install() -> None:
    """Make Nova find the drivers, and replace the methods of :data:`PATCHES`; once in a process.

    ``nova.cmd`` must have been imported: it chooses eventlet or threads, and patches the standard
    library before Nova's other modules are imported.
    """
    add_drivers()
    for patch in PATCHES:
        patch.install()


def add_drivers() -> None:
    """Make the modules of :data:`DRIVERS` importable as ``nova.virt.<name>``.

    Nova loads drivers only from ``nova.virt`` (``nova.virt.driver.load_compute_driver``). That is a
    namespace package until 2024.2 and a regular one since 2025.1; both have a path that can be
    extended.
    """
    import nova.virt

    if str(DRIVERS) not in nova.virt.__path__:
        nova.virt.__path__.append(str(DRIVERS))
