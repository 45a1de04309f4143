# SPDX-License-Identifier: Apache-2.0
"""The local undercloud: the image of its cloud file run as one system container."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from altostratus.errors import AltostratusError
from altostratus.files import write_text
from devtest import container
from devtest.container import spec
from devtest.container.spec import Network, Spec
from devtest.undercloud import host
from devtest.workspace import Workspace
from imagebuild import manifest
from novadrivers.processes import processes

CLOUD = "undercloud"
# The instance name that generate-stacks gives to its one node.
NODE = "undercloud"
# Seconds from start to answering services; without a schema dump the databases take minutes.
READY_TIMEOUT = 900.0
METADATA = f"/var/lib/os-collect-config/local-data/{NODE}.json"
SCHEMA = "/var/cache/altostratus/schema"
# Directories that outlive a new image: what users stored, and the disks of instances. They are on a
# real file system, not an overlay, as databases and loop devices need. See also state_paths.
DATA = ("/var/lib/mysql", "/var/lib/glance")


def describe(workspace: Workspace) -> Spec:
    """Return the container made of the generated and built undercloud.

    Raises AltostratusError when one of them is missing.
    """
    generated, images = workspace.generated(CLOUD), workspace.images(CLOUD)
    metadata = generated.metadata_file(NODE)
    for needed in (images / manifest.FILE, generated.networks_file, metadata):
        if not needed.exists():
            raise AltostratusError(f"{needed} is missing", "build the undercloud: devtest build")
    image = built(workspace, CLOUD, NODE)
    network = workspace.settings.network(each.cidr for each in generated.networks)
    return Spec(
        name=workspace.settings.container,
        state=workspace.container,
        image=images / image["file"],
        image_key=image["sha256"],
        network=network,
        files=_files(network),
        secrets={METADATA: str(metadata)},
        binds={SCHEMA: str(workspace.schema)},
        data=(*DATA, *state_paths(generated.metadata(NODE))),
    )


def built(workspace: Workspace, cloud: str, role: str) -> dict[str, Any]:
    """Return the manifest's record of the image of a generated cloud's role.

    Raises AltostratusError if it was not built.
    """
    name = workspace.generated(cloud).roles[role].name
    records = manifest.read_manifest(workspace.images(cloud) / manifest.FILE)
    if name not in records:
        raise AltostratusError(f"the image {name} was not built", "devtest build")
    return records[name]


def _files(network: Network) -> dict[str, str]:
    """Return the files with the node's name and its address on the link to the host."""
    return {
        "/etc/hostname": f"{NODE}\n",
        "/etc/hosts": f"127.0.0.1 localhost\n127.0.1.1 {NODE}\n",
        "/etc/systemd/network/05-undercloud.network": (
            "[Match]\nName=eth0\n\n"
            f"[Network]\nAddress={network.address}\nGateway={network.gateway}\n"
        ),
    }


def state_paths(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Return where a node with this ``metadata`` keeps the disks of instances and virtual nodes."""
    machines = metadata.get("virtual-baremetal", {}).get("state_path")
    computes = (process.state_path for process in processes(metadata))
    return (*computes, *([machines] if machines else ()))


def bridge(workspace: Workspace) -> str:
    """Return the undercloud's bridge to its provider networks."""
    return str(workspace.generated(CLOUD).metadata(NODE)["neutron"]["ovs"]["bridges"][0]["name"])


def address(workspace: Workspace) -> str:
    """Return the address on which the undercloud's services answer."""
    return str(workspace.generated(CLOUD).metadata(NODE)["keystone"]["host"])


def current(workspace: Workspace) -> Spec:
    """Return the container as it was started last, running or not.

    If it never was, a container without an image, good enough to look for leftovers.
    """
    saved = workspace.container / "spec.json"
    if saved.exists():
        return spec.load(saved)
    settings = workspace.settings
    return Spec(settings.container, workspace.container, Path(), "", settings.network())


def start(workspace: Workspace, timeout: float = READY_TIMEOUT) -> None:
    """Bring the undercloud up to date and wait until its services answer.

    A running container is restarted when its image changed, and gets changed metadata while it
    runs. Raises AltostratusError with the failed script and its log lines, or, before anything is
    started, when the host has other routes to the undercloud's networks.
    """
    wanted = describe(workspace)
    host.require_free(wanted.network)
    if container.pid(wanted):
        running = current(workspace)
        if running.image_key != wanted.image_key:
            container.stop(running)
        else:
            _update_metadata(wanted)
    container.start(wanted)
    wait_until_ready(wanted, timeout)


def _update_metadata(wanted: Spec) -> None:
    """Give the running container its metadata, if they changed; its agent applies them."""
    target = container.file_of(wanted, METADATA)
    text = Path(wanted.secrets[METADATA]).read_text()
    if target is None or (target.exists() and target.read_text() == text):
        return
    report = container.file_of(wanted, container.REFRESH)
    if report:
        report.unlink(missing_ok=True)
    write_text(target, text, mode=0o600, follow=False)


def wait_until_ready(running: Spec, timeout: float, name: str = "the undercloud") -> None:
    """Wait until the container's configuration is applied; see ``start`` for what is raised.

    ``name`` is what messages call it.
    """
    deadline = time.monotonic() + timeout
    while True:
        report = container.refresh_state(running)
        if report.get("state") == "applied":
            return
        if report.get("state") == "failed":
            raise failure(report, name)
        if container.pid(running) is None:
            raise AltostratusError(
                f"{name} ended while starting:\n{container.tail(running.console)}",
                f"its console: {running.console}",
            )
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"{name} is not ready after {timeout:.0f} s; its last messages:\n"
                f"{journal(running, 20)}",
                f"its journal: devtest logs {name.removeprefix('the ')}",
            )
        time.sleep(0.5)


def failure(report: dict[str, Any], name: str = "the undercloud") -> AltostratusError:
    """Return the error for a refresh.json report of a failure."""
    log = "\n".join(report.get("log", []))
    return AltostratusError(
        f"{name}: {report.get('script', 'os-refresh-config')} failed:\n{log}",
        "the whole journal: devtest logs " + name.removeprefix("the "),
    )


def journal(running: Spec, lines: int) -> str:
    """Return the last lines of os-collect-config's journal, in which the scripts report."""
    return container.inside(
        running, "journalctl", "--unit=os-collect-config", "--no-pager", f"--lines={lines}"
    )
