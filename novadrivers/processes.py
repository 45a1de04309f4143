# SPDX-License-Identifier: Apache-2.0
"""Which nova-compute processes the metadata of an instance describe, one for each hypervisor type.

Standard library only: it runs inside instances before anything is configured, and in the
generator. Two layouts are understood, also together:

- ``nova-<type>:`` beside the shared ``nova:``. Each such namespace is a process; its keys are the
  leaves of TripleO's ``nova:`` (``compute_hostname``, ``compute_driver``, ``compute_libvirt_type``,
  ``state_path``, ``tuning.…``) and whatever else the type has.
- TripleO's of 2014, everything under ``nova:``, which describes one process at most: of which type
  it is follows from ``compute_driver``, ``compute_libvirt_type``, ``baremetal`` and the namespace
  ``ironic``. It keeps its old host name and state path, or Nova would lose its instances. No other
  process gets anything from ``nova:``: two with one name would be the consequence.

Where both describe the same type, each key of the new layout wins over its old one.

Each nova-compute reports the whole node, so those whose instances live on it share it out: each
reserves what is not its own.
"""

import itertools
import json
import os
import posixpath
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TYPES = ("kvm", "lxc", "docker", "ironic", "fake")
"""The types that can have a process."""

SHARING = ("kvm", "lxc", "docker")
"""The types whose instances use the node's own memory and CPUs."""

SERVICES_MB = 512
"""MiB of memory that a node keeps for its services."""

OLD_STATE_PATH = "/mnt/state/var/lib/nova"
"""``state_path`` of all of Nova in TripleO's template nova.conf (tripleo-image-elements)."""

# Leaves of ``nova:`` that are of the old layout's process and not of Nova as a whole. Its driver is
# not among them: it says which type the process is, by names that Nova has no more.
_OLD_LEAVES = (
    "compute_hostname",
    "compute_libvirt_type",
    "state_path",
    "lock_path",
    "agent_host",
    "tuning",
)
# What a part of the name of a driver of the old layout means, in any of its spellings:
# libvirt.LibvirtDriver, nova.virt.ironic.IronicDriver, novadocker.virt.docker.DockerDriver …
_OLD_DRIVERS = {
    "baremetal": "ironic",
    "ironic": "ironic",
    "docker": "docker",
    "fake": "fake",
    "libvirt": "libvirt",
}
_LIBVIRT_TYPES = {"lxc": "lxc", "kvm": "kvm", "qemu": "kvm"}


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, in words for the author of the metadata.

    ``keys`` are those that it is about: ``NAMESPACE.LEAF``, or a namespace.
    """

    message: str
    keys: tuple[str, ...]


class MetadataError(ValueError):
    """All that is wrong with the metadata."""

    def __init__(self, *problems: Problem) -> None:
        """Take the problems; the message has a line for each."""
        super().__init__("\n".join(each.message for each in problems))
        self.problems = problems


@dataclass(frozen=True)
class Capacity:
    """What a node has, as its hypervisors report it: MiB of memory, and CPUs."""

    memory_mb: int
    cpus: int

    def reserved(self, processes: int) -> dict[str, int]:
        """Return what each of so many processes does not give to its instances, as Nova's options.

        They have equal shares; where there are fewer CPUs than processes, each has one.
        """
        memory = max(0, self.memory_mb - SERVICES_MB) // processes
        cpus = max(1, self.cpus // processes)
        return {
            "reserved_host_memory_mb": self.memory_mb - memory,
            "reserved_host_cpus": self.cpus - cpus,
        }


@dataclass(frozen=True)
class Process:
    """A nova-compute process: what must be its own on a node, and all its settings.

    ``source`` names where it is described, for messages; ``settings`` is the whole content of its
    namespace, defaults included.
    """

    type: str
    source: str
    settings: Mapping[str, Any]

    @property
    def namespace(self) -> str:
        """The key of its settings in the metadata."""
        return f"nova-{self.type}"

    @property
    def host(self) -> str:
        """Nova's name of the process."""
        return str(self.settings["compute_hostname"])

    @property
    def state_path(self) -> str:
        """Directory of its instances."""
        return posixpath.normpath(str(self.settings["state_path"]))

    @property
    def lock_path(self) -> str:
        """Directory of its lock files."""
        return posixpath.normpath(str(self.settings["lock_path"]))

    def share(self, capacity: Capacity) -> str:
        """Return in words what its instances get of a node; nothing where they use none of it."""
        if self.type not in SHARING:
            return ""
        tuning = self.settings["tuning"]
        memory = capacity.memory_mb - tuning["reserved_host_memory_mb"]
        cpus = capacity.cpus - tuning["reserved_host_cpus"]
        return f", {memory} of {capacity.memory_mb} MiB, {cpus} of {capacity.cpus} CPUs"


Defaults = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What the metadata need not say: by type, the content of its namespace and of those it reads."""


def processes(
    metadata: Mapping[str, Any],
    types: Collection[str] = TYPES,
    defaults: Defaults | None = None,
    capacity: Capacity | None = None,
) -> list[Process]:
    """Return the processes that ``metadata`` describe, in the order of TYPES.

    ``types`` are those that the image has; the others are left out, as on a node of 2014 that
    carried the metadata of nova-compute and not the element. ``capacity`` is shared out between
    those of SHARING, unless the metadata say what they reserve; None where no node is known.
    Raises MetadataError if a namespace cannot be understood, or if two processes have the same
    host, state path or lock path; the message names both.
    """
    old = _old_type(metadata)
    own = {type_: _mapping(metadata, f"nova-{type_}") for type_ in TYPES if type_ in types}
    described = [type_ for type_ in own if type_ == old or own[type_] is not None]
    sharing = sum(type_ in SHARING for type_ in described)
    found = []
    for type_ in described:
        namespace = f"nova-{type_}"
        layers = [(defaults or {}).get(type_, {}).get(namespace, {})]
        if capacity and type_ in SHARING:
            layers.append({"tuning": capacity.reserved(sharing)})
        if type_ == old:
            layers.append(_old_settings(metadata))
        layers.append(own[type_] or {})
        sources = [namespace] * (own[type_] is not None) + ["nova"] * (type_ == old)
        settings = _computed(_node(metadata), type_, _merged(layers))
        found.append(Process(type_, " and ".join(sources), settings))
    _check_clashes(found)
    return found


def resolved(
    metadata: Mapping[str, Any],
    types: Collection[str] = TYPES,
    defaults: Defaults | None = None,
    capacity: Capacity | None = None,
) -> dict[str, Any]:
    """Return ``metadata`` with all that the templates of each process read; see ``processes``."""
    complete = dict(metadata)
    for one in processes(metadata, types, defaults, capacity):
        complete[one.namespace] = dict(one.settings)
        complete |= _others(metadata, one, (defaults or {}).get(one.type, {}))
    return complete


def _mapping(metadata: Mapping[str, Any], namespace: str) -> Mapping[str, Any] | None:
    value = metadata.get(namespace)
    if value is None or isinstance(value, Mapping):
        return value
    message = f"{namespace} is {type(value).__name__}, not a mapping"
    raise MetadataError(Problem(message, (namespace,)))


def _old_type(metadata: Mapping[str, Any]) -> str | None:
    """Return the type of the process that the old layout describes, or None."""
    shared = _mapping(metadata, "nova") or {}
    driver = str(shared.get("compute_driver") or "")
    if driver:
        kinds = [kind for word, kind in _OLD_DRIVERS.items() if word in driver.lower()]
        if not kinds:
            known = ", ".join(sorted(_OLD_DRIVERS))
            message = f"nova.compute_driver: {driver} is none of {known}"
            raise MetadataError(Problem(message, ("nova.compute_driver",)))
        return _libvirt_type(shared) if kinds[0] == "libvirt" else kinds[0]
    if shared.get("baremetal"):
        return "ironic"
    if shared.get("compute_libvirt_type"):
        return _libvirt_type(shared)
    # Without a driver, the name of a process is what tells a compute node from an API.
    is_named = bool(shared.get("compute_hostname"))
    is_new = any(f"nova-{type_}" in metadata for type_ in TYPES)
    return "ironic" if is_named and not is_new and metadata.get("ironic") else None


def _libvirt_type(shared: Mapping[str, Any]) -> str:
    word = str(shared.get("compute_libvirt_type") or "kvm")
    if word not in _LIBVIRT_TYPES:
        known = ", ".join(sorted(_LIBVIRT_TYPES))
        message = f"nova.compute_libvirt_type: {word} is none of {known}"
        raise MetadataError(Problem(message, ("nova.compute_libvirt_type",)))
    return _LIBVIRT_TYPES[word]


def _old_settings(metadata: Mapping[str, Any]) -> dict[str, Any]:
    shared = _mapping(metadata, "nova") or {}
    settings = {"state_path": OLD_STATE_PATH, "compute_hostname": _node(metadata)}
    return settings | {leaf: shared[leaf] for leaf in _OLD_LEAVES if shared.get(leaf) is not None}


def _others(
    metadata: Mapping[str, Any], process: Process, defaults: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the namespaces that ``process`` reads besides its own, with what they lack.

    ``local-ipv4`` is the node's address where TripleO's templates of 2014 look for it.
    """
    address = (_mapping(metadata, "nova") or {}).get("my_ip") or metadata.get("local-ipv4")
    found: dict[str, Mapping[str, Any]] = {"nova": {"my_ip": address}}
    if process.type == "ironic":
        found["ironic"] = {"provisioning_ip": address}
    return {
        namespace: _merged([values, _mapping(metadata, namespace) or {}])
        for namespace, values in _merged([found, defaults]).items()
        if namespace != process.namespace
    }


def _computed(node: Any, type_: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Return ``settings`` with what follows from others and the node's name, unless it is given."""
    if not settings.get("compute_hostname"):
        if not node:
            message = "has no compute_hostname, and there is no instance.name to make one from"
            problem = Problem(f"nova-{type_} {message}", (f"nova-{type_}.compute_hostname",))
            raise MetadataError(problem)
        settings["compute_hostname"] = f"{node}-{type_}"
    settings.setdefault("state_path", f"/var/lib/nova-{type_}")
    settings.setdefault("agent_host", node or settings["compute_hostname"])
    settings.setdefault("lock_path", f"{str(settings['state_path']).rstrip('/')}/lock")
    for leaf in ("compute_hostname", "state_path", "lock_path"):
        if not isinstance(settings[leaf], str):
            key = f"nova-{type_}.{leaf}"
            raise MetadataError(Problem(f"{key}: {settings[leaf]!r} is not a string", (key,)))
    for leaf, value in (_mapping(settings, "tuning") or {}).items():
        if leaf.startswith("reserved_host_") and not isinstance(value, int):
            key = f"nova-{type_}.tuning.{leaf}"
            raise MetadataError(Problem(f"{key}: {value!r} is not a whole number", (key,)))
    return settings


def _node(metadata: Mapping[str, Any]) -> Any:
    """Return the name of the node, None where the metadata do not say it."""
    return (_mapping(metadata, "instance") or {}).get("name")


def _merged(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the mappings as one, later ones winning key by key; null counts as absent."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), dict):
                result[key] = _merged([result[key], value])
            elif isinstance(value, Mapping):
                result[key] = _merged([value])
            elif value is not None:
                result[key] = value
    return result


_OWN: Mapping[str, tuple[str, Callable[[Process], str]]] = {
    "compute_hostname": ("host", lambda process: process.host),
    "state_path": ("state path", lambda process: process.state_path),
    "lock_path": ("lock path", lambda process: process.lock_path),
}


def _check_clashes(found: Sequence[Process]) -> None:
    pairs = itertools.combinations(found, 2)
    clashes = [clash for one, other in pairs if (clash := _clash(one, other))]
    if clashes:
        raise MetadataError(*clashes)


def _clash(one: Process, other: Process) -> Problem | None:
    """Return the first thing that both have and only one can."""
    for leaf, (what, value) in _OWN.items():
        if value(one) == value(other):
            names = f"{one.namespace} (in {one.source}) and {other.namespace} (in {other.source})"
            message = f"{names} have the same {what}, {value(one)}"
            spaces = f"{one.source} and {other.source}".split(" and ")
            return Problem(message, tuple(f"{each}.{leaf}" for each in spaces))
    return None


def this_node() -> Capacity:
    """Return what the machine has that this runs on."""
    words = Path("/proc/meminfo").read_text(encoding="utf-8").split()
    return Capacity(int(words[words.index("MemTotal:") + 1]) // 1024, os.cpu_count() or 1)


def main(arguments: Sequence[str], capacity: Capacity) -> int:
    """Complete the metadata in the file ``arguments[0]`` in place; return the exit status.

    ``arguments[1]`` is a directory with the defaults ``TYPE.json`` of the types that the image has,
    ``capacity`` what is shared out.
    """
    path, files = Path(arguments[0]), Path(arguments[1]).glob("*.json")
    defaults = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files}
    metadata = json.loads(path.read_text(encoding="utf-8"))
    try:
        found = processes(metadata, defaults, defaults, capacity)
    except MetadataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for one in found:
        print(
            f"{one.namespace} (in {one.source}): {one.host}, {one.state_path}{one.share(capacity)}",
            flush=True,
        )
    complete = resolved(metadata, defaults, defaults, capacity)
    if complete != metadata:
        # They hold secrets.
        new = path.with_name(f"{path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
            json.dump(complete, out)
        new.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], this_node()))
