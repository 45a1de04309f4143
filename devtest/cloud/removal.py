# SPDX-License-Identifier: Apache-2.0
"""Remove one cloud from the undercloud: stack, images, flavors, networks that nobody else uses.

Nothing of another cloud is touched: a name that another generated cloud has, too, stays. The
generated files go last, so that a removal that was interrupted is done again from the beginning and
finds what is left.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from altostratus.clients.errors import translated
from altostratus.clients.glance import Glance
from altostratus.clients.nova import Nova
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.process import CommandError
from altostratus.yamlfile import document
from devtest import clouds, container, undercloud
from devtest.cloud import stacks
from devtest.container.spec import Spec
from devtest.undercloud import instances, nodes
from devtest.workspace import Workspace
from imagebuild import manifest
from imagebuild.glance.store import delete_if_there

if TYPE_CHECKING:
    from openstack.connection import Connection

# Ports that go with the network (neutron.db.db_base_plugin_v2, AUTO_DELETE_PORT_OWNERS).
OWN_PORTS = "network:dhcp"
# The files of _base that Nova's drivers name after an image: the SHA-1 of its id, perhaps a size
# (nova.virt.libvirt.utils.get_cache_fname).
CACHED = re.compile(r"([0-9a-f]{40})(?![0-9a-f])")
# Where the docker driver keeps images of Glance by their ids (novadrivers/docker/images.py).
DOCKER = ("docker", "image")
REPOSITORY = "nova-glance"


def known(workspace: Workspace) -> list[str]:
    """Return the names of the clouds that have files in the workspace, without the undercloud."""
    stacks_of = (path.name for path in workspace.stacks("").glob("*") if path.is_dir())
    return sorted(name for name in stacks_of if name != undercloud.CLOUD)


def require(workspace: Workspace, cloud: str) -> None:
    """Raise AltostratusError unless there is a cloud of this name that can be removed."""
    there = known(workspace)
    if cloud not in there or not workspace.generated(cloud).template.exists():
        listed = ", ".join(there) or "none"
        hint = f"clouds: {listed}; devtest destroy removes everything"
        raise AltostratusError(f"there is no cloud {cloud} here", hint)
    own = set(workspace.generated(cloud).instances)
    if running := [one.state.name for one in nodes.containers(workspace) if one.state.name in own]:
        raise AltostratusError(
            f"{cloud} has nodes of the undercloud: {', '.join(running)}",
            f"devtest node remove {running[0]}",
        )


def remove(workspace: Workspace, cloud: str, progress: Progress) -> None:
    """Remove ``cloud`` from the running undercloud, then its credentials and its files."""
    connection = clouds.connect(workspace, undercloud.CLOUD)
    with progress.step(f"delete the stack {cloud}"):
        stacks.delete(stacks.client(connection), cloud)
    if left := instances.of_cloud(connection, cloud):
        listed = ", ".join(each.name for each in left)
        raise AltostratusError(
            f"instances of {cloud} are no part of its stack and still there: {listed}",
            "delete them: openstack --os-cloud undercloud server delete NAME",
        )
    with progress.step(f"delete images, flavors and networks of {cloud}"):
        delete_images(connection, names_of(workspace, cloud, _images))
        delete_flavors(connection, names_of(workspace, cloud, _flavors))
        kept = delete_networks(connection, names_of(workspace, cloud, _networks))
        clean_caches(workspace, connection)
    for name in kept:
        progress.note(f"the network {name} stays: it has ports")
    forget(workspace, cloud)


def forget(workspace: Workspace, cloud: str) -> None:
    """Remove the credentials and files of ``cloud``; what it was generated from goes last."""
    clouds.forget(workspace, cloud)
    for directory in (workspace.images(cloud), workspace.stacks(cloud)):
        if directory.exists():
            shutil.rmtree(directory)


def names_of(
    workspace: Workspace, cloud: str, read: Callable[[Workspace, str], set[str]]
) -> set[str]:
    """Return the names that ``read`` finds for ``cloud`` and for no other cloud."""
    others = [name for name in [*known(workspace), undercloud.CLOUD] if name != cloud]
    taken = {name for other in others for name in read(workspace, other)}
    return set(read(workspace, cloud)) - taken


def _images(workspace: Workspace, cloud: str) -> set[str]:
    """Return the names of images: the roles' now, and those that were built."""
    generated = workspace.generated(cloud)
    found = (
        {image.name for image in generated.roles.values()} if generated.images.exists() else set()
    )
    record = workspace.images(cloud) / manifest.FILE
    built = manifest.read_manifest(record) if record.exists() else {}
    return found | set(built)


def _flavors(workspace: Workspace, cloud: str) -> set[str]:
    return _listed(workspace.generated(cloud).flavors, "flavors")


def _networks(workspace: Workspace, cloud: str) -> set[str]:
    return _listed(workspace.generated(cloud).networks_file, "networks")


def _listed(path: Path, key: str) -> set[str]:
    if not path.exists():
        return set()
    return {str(each["name"]) for each in document.content(path, "devtest build")[key]}


def delete_images(connection: Connection, wanted: Collection[str]) -> None:
    """Delete the images of these names, with their kernels and ramdisks."""
    glance = Glance(connection.config)
    for name in sorted(wanted):
        for image in glance.find(name):
            parts = [image[key] for key in ("kernel_id", "ramdisk_id") if image.get(key)]
            for identity in (image["id"], *parts):
                # A removal that was interrupted may have deleted it before.
                delete_if_there(glance, str(identity))


def delete_flavors(connection: Connection, wanted: Collection[str]) -> None:
    """Delete the flavors of these names."""
    nova = Nova(connection.config)
    for flavor in nova.flavors():
        if flavor.name in wanted:
            nova.delete_flavor(flavor)


def delete_networks(connection: Connection, wanted: Collection[str]) -> list[str]:
    """Delete the networks of these names; return those that somebody uses, which stay."""
    kept = []
    with translated("Neutron"):
        for network in list(connection.network.networks()):
            if network.name not in wanted:
                continue
            ports = list(connection.network.ports(network_id=network.id))
            if any(port.device_owner != OWN_PORTS for port in ports):
                kept.append(str(network.name))
            else:
                connection.network.delete_network(network)
    return kept


def clean_caches(workspace: Workspace, connection: Connection) -> int:
    """Remove the copies that nodes keep of images that are gone; return how many.

    Nova itself would keep them for a day. A copy stays as long as its image is in Glance or a
    server has it.
    """
    with translated("Glance"):
        images = {str(image.id) for image in connection.image.images()}
    images |= {each.image for each in instances.list_instances(connection) if each.image}
    digests = {hashlib.sha1(each.encode(), usedforsecurity=False).hexdigest() for each in images}
    removed = 0
    for spec in (undercloud.current(workspace), *nodes.containers(workspace)):
        removed += _clean_files(spec, digests) + _clean_docker(spec, images)
    return removed


def _clean_files(spec: Spec, keep: Collection[str]) -> int:
    cached = [
        (path, found[1])
        for target in spec.data
        for path in spec.data_directory(target).glob("instances/_base/*")
        if (found := CACHED.match(path.name))
    ]
    stale = [path for path, digest in cached if digest not in keep]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


def _clean_docker(spec: Spec, keep: Collection[str]) -> int:
    """Remove images of the node's dockerd; those that a container has cannot be removed."""
    removed = 0
    # A node without docker has none; a daemon that is down keeps its images until the next time.
    with contextlib.suppress(CommandError):
        listed = container.inside(spec, *DOCKER, "ls", "--format", "{{.Repository}}").split()
        for name in listed:
            repository, _, identity = name.rpartition("/")
            if repository == REPOSITORY and identity not in keep:
                container.inside(spec, *DOCKER, "rm", name)
                removed += 1
    return removed
