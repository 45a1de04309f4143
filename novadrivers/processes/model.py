# SPDX-License-Identifier: Apache-2.0
"""A nova-compute process, the node that it runs on, and errors in the metadata."""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from novadrivers.processes.table import ProcessType

SERVICES_MB = 512
"""MiB of memory that a node keeps for its services."""

Metadata = Mapping[str, Any]
"""Metadata of an instance, or one namespace of them: JSON values by key."""


@dataclass(frozen=True)
class Problem:
    """One error in the metadata, worded for their author.

    ``keys`` are the keys with the error, as ``NAMESPACE.LEAF``, or a whole namespace.
    """

    message: str
    keys: tuple[str, ...]


class MetadataError(ValueError):
    """All errors in the metadata."""

    def __init__(self, *problems: Problem) -> None:
        """Take the problems; the message has one line for each."""
        super().__init__("\n".join(each.message for each in problems))
        self.problems = problems


@dataclass(frozen=True)
class Capacity:
    """Size of a node as its hypervisors report it: memory in MiB, and CPUs."""

    memory_mb: int
    cpus: int

    def reserved(self, processes: int) -> dict[str, int]:
        """Return what each of ``processes`` processes must reserve, as options of Nova.

        All have equal shares. With fewer CPUs than processes, each process has one CPU.
        """
        memory = max(0, self.memory_mb - SERVICES_MB) // processes
        cpus = max(1, self.cpus // processes)
        return {
            "reserved_host_memory_mb": self.memory_mb - memory,
            "reserved_host_cpus": self.cpus - cpus,
        }


@dataclass(frozen=True)
class Process:
    """A nova-compute process and all its settings.

    ``source`` names the namespaces that describe it, for messages. ``settings`` is the whole
    content of its namespace, with defaults.
    """

    row: ProcessType
    source: str
    settings: Metadata

    @property
    def type(self) -> str:
        """Name of its hypervisor type."""
        return self.row.name

    @property
    def namespace(self) -> str:
        """The key of its settings in the metadata."""
        return self.row.namespace

    @property
    def host(self) -> str:
        """Nova's ``host``; unique in a cloud."""
        return str(self.settings["compute_hostname"])

    @property
    def state_path(self) -> str:
        """Directory of its instances; unique on a node."""
        return posixpath.normpath(str(self.settings["state_path"]))

    @property
    def lock_path(self) -> str:
        """Directory of its lock files; unique on a node."""
        return posixpath.normpath(str(self.settings["lock_path"]))

    def share(self, capacity: Capacity) -> str:
        """Return its share of a node of ``capacity`` as text; empty if its instances use none."""
        if not self.row.shares_node:
            return ""
        tuning = self.settings["tuning"]
        memory = capacity.memory_mb - tuning["reserved_host_memory_mb"]
        cpus = capacity.cpus - tuning["reserved_host_cpus"]
        return f", {memory} of {capacity.memory_mb} MiB, {cpus} of {capacity.cpus} CPUs"
