# SPDX-License-Identifier: Apache-2.0
"""From metadata to the processes that they describe, complete and without clashes."""

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from novadrivers.processes.layouts import merged, namespace, node_name, old_settings, old_type
from novadrivers.processes.model import Capacity, Metadata, MetadataError, Problem, Process
from novadrivers.processes.table import TYPES, ProcessType

Defaults = Mapping[str, Mapping[str, Metadata]]
"""Values for what the metadata lack: by type, the content of its namespace and of those it reads.
"""


def processes(
    metadata: Metadata,
    types: Collection[str] = TYPES,
    defaults: Defaults | None = None,
    capacity: Capacity | None = None,
) -> list[Process]:
    """Return the processes that ``metadata`` describe, in the order of TYPES.

    ``types`` are those that the image has; others are left out, because a node of 2014 could carry
    the metadata of nova-compute without its element. ``capacity`` is divided among the types that
    share the node, unless the metadata say what they reserve; None if no node is known. Raises
    MetadataError if a namespace cannot be understood, or if two processes have the same host, state
    path or lock path; the message names both.
    """
    old = old_type(metadata)
    rows = [row for name, row in TYPES.items() if name in types]
    own = {row.name: namespace(metadata, row.namespace) for row in rows}
    described = [row for row in rows if row is old or own[row.name] is not None]
    sharing = sum(row.shares_node for row in described)
    found = []
    for row in described:
        layers = [(defaults or {}).get(row.name, {}).get(row.namespace, {})]
        if capacity and row.shares_node:
            layers.append({"tuning": capacity.reserved(sharing)})
        if row is old:
            layers.append(old_settings(metadata))
        layers.append(own[row.name] or {})
        sources = [row.namespace] * (own[row.name] is not None) + ["nova"] * (row is old)
        settings = _completed(node_name(metadata), row, merged(layers))
        found.append(Process(row, " and ".join(sources), settings))
    _check_clashes(found)
    return found


def resolved(
    metadata: Metadata,
    types: Collection[str] = TYPES,
    defaults: Defaults | None = None,
    capacity: Capacity | None = None,
) -> dict[str, Any]:
    """Return ``metadata`` with every key that the templates of the processes read.

    Arguments and errors are those of :func:`processes`.
    """
    complete = dict(metadata)
    for process in processes(metadata, types, defaults, capacity):
        complete[process.namespace] = dict(process.settings)
        complete |= _others(metadata, process, (defaults or {}).get(process.type, {}))
    return complete


def _others(
    metadata: Metadata, process: Process, defaults: Mapping[str, Metadata]
) -> dict[str, Any]:
    """Return the other namespaces that ``process`` reads, with what they lack.

    ``local-ipv4`` is where TripleO's templates of 2014 have the node's address.
    """
    address = (namespace(metadata, "nova") or {}).get("my_ip") or metadata.get("local-ipv4")
    addresses = {"nova": {"my_ip": address}}
    addresses |= {name: {leaf: address} for name, leaf in process.row.services.items()}
    return {
        name: merged([values, namespace(metadata, name) or {}])
        for name, values in merged([addresses, defaults]).items()
        if name != process.namespace
    }


def _completed(node: Any, row: ProcessType, settings: dict[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with what follows from the node's name and other settings."""
    if not settings.get("compute_hostname"):
        if not node:
            message = "has no compute_hostname, and there is no instance.name to make one from"
            problem = Problem(f"{row.namespace} {message}", (f"{row.namespace}.compute_hostname",))
            raise MetadataError(problem)
        settings["compute_hostname"] = f"{node}-{row.name}"
    settings.setdefault("state_path", f"/var/lib/{row.namespace}")
    settings.setdefault("agent_host", node or settings["compute_hostname"])
    settings.setdefault("lock_path", f"{str(settings['state_path']).rstrip('/')}/lock")
    for leaf in ("compute_hostname", "state_path", "lock_path"):
        _expect(settings[leaf], str, "a string", f"{row.namespace}.{leaf}")
    for leaf, value in (namespace(settings, "tuning") or {}).items():
        if leaf.startswith("reserved_host_"):
            _expect(value, int, "a whole number", f"{row.namespace}.tuning.{leaf}")
    return settings


def _expect(value: object, kind: type, name: str, key: str) -> None:
    if not isinstance(value, kind):
        raise MetadataError(Problem(f"{key}: {value!r} is not {name}", (key,)))


_UNIQUE: Mapping[str, tuple[str, Callable[[Process], str]]] = {
    "compute_hostname": ("host", lambda process: process.host),
    "state_path": ("state path", lambda process: process.state_path),
    "lock_path": ("lock path", lambda process: process.lock_path),
}
"""Settings that no two processes of a node may share: name for messages, and value."""


def _check_clashes(found: Sequence[Process]) -> None:
    pairs = itertools.combinations(found, 2)
    clashes = [clash for one, other in pairs if (clash := _clash(one, other))]
    if clashes:
        raise MetadataError(*clashes)


def _clash(one: Process, other: Process) -> Problem | None:
    """Return the first unique setting that both processes share, as a problem."""
    for leaf, (what, value) in _UNIQUE.items():
        if value(one) == value(other):
            names = f"{one.namespace} (in {one.source}) and {other.namespace} (in {other.source})"
            message = f"{names} have the same {what}, {value(one)}"
            spaces = f"{one.source} and {other.source}".split(" and ")
            return Problem(message, tuple(f"{each}.{leaf}" for each in spaces))
    return None
