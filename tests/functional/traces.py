# SPDX-License-Identifier: Apache-2.0
"""What an instance has on the undercloud's node, found by its names in all places that count."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import snapshot

from devtest import container, undercloud
from devtest.workspace import Workspace

STATES = ("/var/lib/nova-lxc", "/var/lib/nova-docker", "/var/lib/nova-kvm")
# libvirt keeps its logs of domains that are gone.
KEPT = ("-not", "-path", "*/libvirt/log/*", "-name", "*-*")
# Each namespace's mounts, of all processes, once; a process may end meanwhile.
MOUNTS = "cat /proc/[0-9]*/mountinfo 2>&- | sort --unique"


@dataclass(frozen=True)
class Instance:
    """A server, and all names by which something of it can be recognised on the node."""

    id: str
    hypervisor: str
    names: frozenset[str]


def inside(workspace: Workspace, *command: str) -> str:
    """Return the output of a command in the undercloud."""
    return container.inside(undercloud.current(workspace), *command)


def instance(workspace: Workspace, connection: Any, uuid: str) -> Instance:
    """Return what is to be known of a running server, to look for it later."""
    server = connection.compute.get_server(uuid)
    names = {uuid, server.instance_name}
    names |= {f"tap{port.id[:11]}" for port in connection.network.ports(device_id=uuid)}
    hypervisor = server.hypervisor_hostname.rpartition("-")[2]
    if hypervisor == "docker":
        names |= _of_docker(workspace, uuid)
    # A loop device has the name of a file, which may be gone before the device.
    names |= {
        each["name"]
        for each in _loops(workspace)
        if any(name in str(each["back-file"]) for name in names)
    }
    return Instance(uuid, hypervisor, frozenset(names))


def _of_docker(workspace: Workspace, uuid: str) -> set[str]:
    label = f"label=org.openstack.nova.uuid={uuid}"
    ids = inside(workspace, "docker", "ps", "-aq", "--no-trunc", "--filter", label).split()
    merged = [
        inside(workspace, "docker", "inspect", "--format", "{{.GraphDriver.Data.MergedDir}}", each)
        for each in ids
    ]
    return {*ids, *(Path(path.strip()).parent.name for path in merged)}


def _loops(workspace: Workspace) -> list[dict[str, Any]]:
    listed = inside(workspace, "losetup", "--json", "--list", "--output", "NAME,BACK-FILE")
    return list(json.loads(listed)["loopdevices"]) if listed.strip() else []


def kinds(workspace: Workspace, names: Collection[str]) -> dict[str, list[str]]:
    """Return what there is of an instance with these ``names``, by kind; only kinds with something.

    The cgroups are the host's, which sees those of all hierarchies.
    """
    lines = {
        "loops": [f"{each['name']} {each['back-file']}" for each in _loops(workspace)],
        "mounts": inside(workspace, "sh", "-c", MOUNTS).splitlines(),
        "cgroups": snapshot.cgroups(),
        "links": inside(workspace, "ip", "-oneline", "link").splitlines(),
        "switch ports": inside(workspace, "ovs-vsctl", "list-ports", "br-int").splitlines(),
        "containers": inside(
            workspace, "docker", "ps", "-a", "--no-trunc", "--format", "{{.ID}} {{.Names}}"
        ).splitlines(),
        "volumes": inside(workspace, "docker", "volume", "ls", "-q").splitlines(),
        "files": inside(workspace, "find", *STATES, "-maxdepth", "4", *KEPT).splitlines(),
        "processes": [text for _, text in snapshot.ours(snapshot.CLOUDS, ())],
    }
    found = {kind: [text for text in texts if _has(text, names)] for kind, texts in lines.items()}
    return {kind: texts for kind, texts in found.items() if texts}


def _has(text: str, names: Collection[str]) -> bool:
    # /dev/loop1 is no part of /dev/loop10.
    words = text.replace(":", " ").replace("@", " ").split()
    return any(name in (words if name.startswith("/dev/") else text) for name in names)


def nobody(*command: str | Path) -> list[str]:
    """Return the command that runs ``command`` as the user nobody."""
    return ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *map(str, command)]
