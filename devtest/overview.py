# SPDX-License-Identifier: Apache-2.0
"""What the user reads about what runs here: status tables, and how to use the clouds."""

import os
import sys
from pathlib import Path

from altostratus import datafiles
from altostratus.errors import InputError
from devtest import clouds, container, undercloud
from devtest.cloud import stacks
from devtest.container.spec import Spec
from devtest.report import table
from devtest.settings import DEFAULT_NAME, NAME_VARIABLE
from devtest.undercloud import instances, nodes
from devtest.workspace import Workspace
from generator import contracts

MIB = 1024**2
# It runs in every instance and belongs to no service.
CONFIGURATION = "os-collect-config"


def container_line(spec: Spec, name: str = undercloud.NODE) -> str:
    """Return one line about the container of the undercloud or of another node."""
    init = container.pid(spec)
    if init is None:
        return f"{name}: stopped"
    state = container.refresh_state(spec).get("state", "starting")
    memory = container.memory(spec) // MIB
    return f"{name}: running (pid {init}), configuration {state}, {memory} MiB"


def settings_line(workspace: Workspace) -> str:
    """Return one line about what tells this undercloud from others on the machine."""
    settings = workspace.settings
    return (
        f"name {settings.name}, cloud file {settings.undercloud_file}, "
        f"transfer network {settings.transfer}, state in {workspace.state}"
    )


def status(workspace: Workspace) -> str:
    """Return what there is: container, services, stacks, instances."""
    spec = undercloud.current(workspace)
    lines = [settings_line(workspace), container_line(spec)]
    lines += [container_line(each, each.state.name) for each in nodes.containers(workspace)]
    parts = ["".join(f"{line}\n" for line in lines)]
    if container.pid(spec):
        parts.append(_units(spec))
    if container.pid(spec) and undercloud.CLOUD in clouds.known(workspace):
        connection = clouds.connect(workspace, undercloud.CLOUD)
        rows = [(each.stack_name, each.stack_status) for each in stacks.listed(connection)]
        parts.append(table(rows, ("stack", "status")))
        members = [
            (
                each.cloud,
                each.name,
                each.status,
                each.host,
                ", ".join(f"{network} {ip}" for network, ip in sorted(each.addresses.items())),
            )
            for each in instances.list_instances(connection)
        ]
        parts.append(table(members, ("cloud", "instance", "status", "host", "addresses")))
    return "\n".join(parts)


def _units(spec: Spec) -> str:
    command = ("systemctl", "list-units", "--all", "--type=service", "--no-legend", "--plain")
    listed = container.inside(spec, *command, *units())
    rows = [line.split(maxsplit=4)[:4] for line in listed.splitlines()]
    return table([(row[0], row[2], row[3]) for row in rows], ("service", "active", "state"))


def units() -> list[str]:
    """Return the units of all services, as their contracts name them; few are on one node."""
    try:
        known = contracts.installed().by_name.values()
    except InputError:
        # The status must not depend on elements that the user is at work on.
        known = contracts.load(datafiles.elements_path()).by_name.values()
    names = {name for each in known for name in each.units} | {CONFIGURATION}
    return sorted(f"{name}.service" for name in names)


def how_to_use(workspace: Workspace, cloud: str) -> str:
    """Return what a user types next."""
    return (
        f"\nThe undercloud and {cloud} are ready.\n\n"
        f"{_path_hint()}"
        f"{_name_hint(workspace)}"
        f"    export OS_CLIENT_CONFIG_FILE={workspace.clouds_yaml}\n"
        "    openstack --os-cloud undercloud server list\n"
        + (
            f"    openstack --os-cloud {cloud} token issue\n"
            if cloud in clouds.known(workspace)
            else ""
        )
        + "    devtest status\n"
        + _instance_hint(workspace, cloud)
        + "    devtest undercloud enter\n"
        "    devtest destroy\n"
    )


def _path_hint() -> str:
    """Return how the shell finds our commands and the client, if it does not yet."""
    programs = str(Path(sys.executable).parent)
    known = os.environ.get("PATH", "").split(os.pathsep)
    return "" if programs in known else f"    export PATH={programs}:$PATH\n"


def _name_hint(workspace: Workspace) -> str:
    """Return how later commands of this shell mean this undercloud, if that is not the default."""
    name = workspace.settings.name
    return "" if name == DEFAULT_NAME else f"    export {NAME_VARIABLE}={name}\n"


def _instance_hint(workspace: Workspace, cloud: str) -> str:
    members = instances.of_cloud(clouds.connect(workspace, undercloud.CLOUD), cloud)
    if not members:
        return ""
    name = members[0].name
    return f"    devtest ssh {name} sudo journalctl --lines=20\n"
