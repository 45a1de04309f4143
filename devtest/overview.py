# SPDX-License-Identifier: Apache-2.0
"""What the user reads: the status, the plan of a run, how to use the clouds."""

import os
import shlex
import shutil
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from altostratus import datafiles
from altostratus.errors import InputError
from devtest import clouds, container, needs, undercloud
from devtest.cloud import choices, stacks
from devtest.cloud.steps import Steps
from devtest.container.spec import Spec
from devtest.report import table
from devtest.settings import DEFAULT_NAME, NAME_VARIABLE
from devtest.undercloud import instances, memorykills, nodes
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator import contracts

MIB = 1024**2
# It runs in every instance and belongs to no service.
CONFIGURATION = "os-collect-config"
STATE_VARIABLE = "ALTOSTRATUS_STATE"


def container_line(spec: Spec, name: str = undercloud.NODE) -> str:
    """Return one line about the container of the undercloud or of another node."""
    return _node_line(_node(spec, name))


def _node(spec: Spec, name: str) -> dict[str, Any]:
    """Return what is known about a node: ``pid`` is None and the rest absent if it is stopped."""
    init = container.pid(spec)
    if init is None:
        return {"name": name, "pid": None}
    state = container.refresh_state(spec).get("state", "starting")
    return {"name": name, "pid": init, "configuration": state, "memory": container.memory(spec)}


def _node_line(node: Mapping[str, Any]) -> str:
    if node["pid"] is None:
        return f"{node['name']}: stopped"
    return (
        f"{node['name']}: running (pid {node['pid']}), configuration {node['configuration']}, "
        f"{node['memory'] // MIB} MiB"
    )


def settings_line(workspace: Workspace) -> str:
    """Return one line about what tells this undercloud from others on the machine."""
    settings = workspace.settings
    return (
        f"name {settings.name}, cloud file {settings.undercloud_file}, "
        f"transfer network {settings.transfer}, state in {workspace.state}"
    )


def collect(workspace: Workspace) -> dict[str, Any]:
    """Return what there is: instances, stacks, nodes, services, settings (docs/json.md: status)."""
    spec = undercloud.current(workspace)
    specs = {undercloud.NODE: spec}
    specs |= {each.state.name: each for each in nodes.containers(workspace)}
    running = container.pid(spec) is not None
    found: dict[str, Any] = {"instances": [], "stacks": []}
    if running and undercloud.CLOUD in clouds.known(workspace):
        connection = clouds.connect(workspace, undercloud.CLOUD)
        killed: Counter[str] = sum((memorykills.counts(each) for each in specs.values()), Counter())
        members = instances.list_instances(connection)
        found["instances"] = [_instance(each, killed) for each in members]
        found["stacks"] = [
            {"name": each.stack_name, "status": each.stack_status}
            for each in stacks.listed(connection)
        ]
    found["nodes"] = [_node(each, name) for name, each in specs.items()]
    found["services"] = _units(spec) if running else []
    found["hypervisors"] = {
        cloud: chosen
        for cloud in needs.deployed(workspace)
        if (chosen := choices.kept(workspace, cloud).hypervisor) not in (None, choices.AS_WRITTEN)
    }
    settings = {**workspace.settings.plain(), "undercloud": str(workspace.settings.undercloud_file)}
    return {**found, "settings": {**settings, "state": str(workspace.state)}}


def _instance(each: Instance, killed: Mapping[str, int]) -> dict[str, Any]:
    return {
        "cloud": each.cloud,
        "name": each.name,
        "status": each.status,
        "host": each.host,
        "addresses": dict(sorted(each.addresses.items())),
        "id": each.id,
        "fault": each.fault,
        "memory_kills": killed.get(each.domain, 0) + killed.get(each.id, 0),
    }


def status(workspace: Workspace, verbose: bool = False) -> str:
    """Return ``collect`` as text, instances first; ``verbose`` adds ids."""
    found = collect(workspace)
    parts = []
    if found["instances"]:
        parts.append(_instances_table(found["instances"], verbose))
    if problems := [line for each in found["instances"] for line in _problems(each)]:
        parts.append("".join(f"{line}\n" for line in problems))
    if found["stacks"]:
        parts.append(_columns(found["stacks"], {"stack": "name", "status": "status"}))
    lines = [_node_line(each) for each in found["nodes"]]
    lines += [
        f"{cloud}: all roles are of type {type_} (--hypervisor)"
        for cloud, type_ in found["hypervisors"].items()
    ]
    lines.append(settings_line(workspace))
    parts.append("".join(f"{line}\n" for line in lines))
    if found["services"]:
        columns = {"service": "name", "active": "active", "state": "state"}
        parts.append(_columns(found["services"], columns))
    return "\n".join(parts)


def _columns(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, str]) -> str:
    """Return a table of ``rows``; ``columns`` maps headings to fields."""
    return table([[row[field] for field in columns.values()] for row in rows], list(columns))


def _instances_table(members: Sequence[Mapping[str, Any]], verbose: bool) -> str:
    rows = [
        (
            each["cloud"],
            each["name"],
            each["status"],
            each["host"],
            ", ".join(f"{network} {ip}" for network, ip in each["addresses"].items()),
            *([each["id"]] if verbose else []),
        )
        for each in members
    ]
    ids = ["id"] if verbose else []
    return table(rows, ("cloud", "instance", "status", "host", "addresses", *ids))


def _problems(each: Mapping[str, Any]) -> list[str]:
    lines = []
    if each["memory_kills"]:
        lines.append(
            f"{each['name']}: the kernel killed {each['memory_kills']} of its programs for memory; "
            "give its role a flavor with more ram"
        )
    if each["fault"]:
        lines.append(f"{each['name']}: {each['fault']}")
    return lines


def _units(spec: Spec) -> list[dict[str, str]]:
    command = ("systemctl", "list-units", "--all", "--type=service", "--no-legend", "--plain")
    listed = container.inside(spec, *command, *units())
    rows = [line.split(maxsplit=4)[:4] for line in listed.splitlines()]
    return [{"name": row[0], "active": row[2], "state": row[3]} for row in rows]


def units() -> list[str]:
    """Return the units of all services, as their contracts name them; few are on one node."""
    try:
        known = contracts.installed().by_name.values()
    except InputError:
        # The status must not depend on elements that the user is at work on.
        known = contracts.load(datafiles.elements_path()).by_name.values()
    names = {name for each in known for name in each.units} | {CONFIGURATION}
    return sorted(f"{name}.service" for name in names)


def plan(steps: Steps) -> str:
    """Return what a run is going to do and how long that takes, for before the first silence."""
    wanted = needs.of(steps.workspace, steps.model)
    roles = steps.model.roles.values() if steps.model else ()
    count = sum(role.count for role in roles)
    types = ", ".join(sorted({role.hypervisor for role in roles}))
    return (
        f"{steps.cloud}: {count} instances ({types}) in {steps.count()} steps; "
        "about 10 min the first time, 2 min once the images are built, longer for emulated "
        f"machines.\nIt takes {wanted.memory / needs.GIB:.0f} GiB of memory. "
        "Ctrl-C stops it; the same command continues."
    )


def how_to_use(workspace: Workspace, cloud: str) -> str:
    """Return what a user types next: lines that can be pasted as they are, all at once."""
    lines = [*_environment(workspace), *_openstack(workspace, cloud), "devtest status"]
    name = _first_instance(workspace, cloud)
    if name:
        lines.append(f"devtest ssh {name} sudo journalctl --no-pager --lines=20")
    pasted = "".join(f"    {line}\n" for line in lines)
    shells = f"A shell in an instance: devtest ssh {name}; in" if name else "A shell in"
    return (
        f"\nThe undercloud and {cloud} are ready. To look around, in a shell of root:\n\n{pasted}\n"
        f"{shells} the undercloud: devtest undercloud enter.\n"
        f"To remove this cloud alone: devtest destroy --cloud {cloud}; all: devtest destroy.\n"
    )


def _openstack(workspace: Workspace, cloud: str) -> list[str]:
    """Return commands of the client, if it is installed; a cloud may have no Keystone."""
    if shutil.which("openstack", path=_path()) is None:
        return []
    tokens = [f"openstack --os-cloud {cloud} token issue"]
    listed = "openstack --os-cloud undercloud server list"
    return [listed, *(tokens if cloud in clouds.known(workspace) else [])]


def _path() -> str:
    """Return PATH as it is after the printed commands."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])


def _environment(workspace: Workspace) -> list[str]:
    """Return what a new shell needs to find our commands, this undercloud and the credentials."""
    programs = str(Path(sys.executable).parent)
    found = []
    if programs not in os.environ.get("PATH", "").split(os.pathsep):
        found.append(f"export PATH={shlex.quote(programs)}:$PATH")
    if workspace.settings.name != DEFAULT_NAME:
        found.append(f"export {NAME_VARIABLE}={workspace.settings.name}")
    if STATE_VARIABLE in os.environ:
        found.append(f"export {STATE_VARIABLE}={shlex.quote(str(workspace.state))}")
    return [*found, f"export OS_CLIENT_CONFIG_FILE={shlex.quote(str(workspace.clouds_yaml))}"]


def _first_instance(workspace: Workspace, cloud: str) -> str:
    members = instances.of_cloud(clouds.connect(workspace, undercloud.CLOUD), cloud)
    return members[0].name if members else ""
