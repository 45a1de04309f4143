# SPDX-License-Identifier: Apache-2.0
"""The namespaces of the metadata, and the process that TripleO's layout of 2014 describes."""

from collections.abc import Mapping, Sequence
from typing import Any

from novadrivers.processes.model import Metadata, MetadataError, Problem
from novadrivers.processes.table import TYPES, ProcessType

OLD_STATE_PATH = "/mnt/state/var/lib/nova"
"""``state_path`` of all of Nova in TripleO's template nova.conf (tripleo-image-elements)."""

_OLD_LEAVES = (
    "compute_hostname",
    "compute_libvirt_type",
    "state_path",
    "lock_path",
    "agent_host",
    "tuning",
)
"""Leaves of ``nova:`` that belong to the old layout's process and not to all of Nova.

``compute_driver`` is none of them: Nova no longer has drivers of these names.
"""
_OLD_DRIVERS = {word: row for row in TYPES.values() for word in row.old_drivers}
_LIBVIRT = "libvirt"
_LIBVIRT_TYPES = {word: row for row in TYPES.values() for word in row.old_libvirt_types}


def namespace(metadata: Metadata, name: str) -> Metadata | None:
    """Return the namespace ``name`` of ``metadata``, or None if there is none.

    Raises MetadataError if it is not a mapping.
    """
    value = metadata.get(name)
    if value is None or isinstance(value, Mapping):
        return value
    raise MetadataError(Problem(f"{name} is {type(value).__name__}, not a mapping", (name,)))


def node_name(metadata: Metadata) -> Any:
    """Return the name of the node, or None if the metadata do not have it."""
    return (namespace(metadata, "instance") or {}).get("name")


def merged(layers: Sequence[Metadata]) -> dict[str, Any]:
    """Return the mappings as one, key by key; later ones win, and null counts as absent."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), dict):
                result[key] = merged([result[key], value])
            elif isinstance(value, Mapping):
                result[key] = merged([value])
            elif value is not None:
                result[key] = value
    return result


def old_type(metadata: Metadata) -> ProcessType | None:
    """Return the type of the process that the old layout describes, or None.

    Raises MetadataError if the driver or libvirt's type is unknown.
    """
    shared = namespace(metadata, "nova") or {}
    driver = str(shared.get("compute_driver") or "").lower()
    if driver:
        return _type_of_driver(driver, shared)
    rows = TYPES.values()
    by_leaf = next((row for row in rows if row.old_leaf and shared.get(row.old_leaf)), None)
    if by_leaf:
        return by_leaf
    if shared.get("compute_libvirt_type"):
        return _libvirt_type(shared)
    # Without a driver, only the name of a process tells a compute node from an API node.
    if not shared.get("compute_hostname") or any(row.namespace in metadata for row in rows):
        return None
    return next((row for row in rows if any(metadata.get(each) for each in row.services)), None)


def old_settings(metadata: Metadata) -> dict[str, Any]:
    """Return what the old layout sets of its process."""
    shared = namespace(metadata, "nova") or {}
    settings = {"state_path": OLD_STATE_PATH, "compute_hostname": node_name(metadata)}
    return settings | {leaf: shared[leaf] for leaf in _OLD_LEAVES if shared.get(leaf) is not None}


def _type_of_driver(driver: str, shared: Metadata) -> ProcessType:
    found = next((row for word, row in _OLD_DRIVERS.items() if word in driver), None)
    if found:
        return found
    if _LIBVIRT in driver:
        return _libvirt_type(shared)
    known = ", ".join(sorted((*_OLD_DRIVERS, _LIBVIRT)))
    message = f"nova.compute_driver: {shared['compute_driver']} is none of {known}"
    raise MetadataError(Problem(message, ("nova.compute_driver",)))


def _libvirt_type(shared: Metadata) -> ProcessType:
    word = str(shared.get("compute_libvirt_type") or "kvm")
    if word not in _LIBVIRT_TYPES:
        known = ", ".join(sorted(_LIBVIRT_TYPES))
        message = f"nova.compute_libvirt_type: {word} is none of {known}"
        raise MetadataError(Problem(message, ("nova.compute_libvirt_type",)))
    return _LIBVIRT_TYPES[word]
