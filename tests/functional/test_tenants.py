# SPDX-License-Identifier: Apache-2.0
"""Instances side by side on a node: what others can read of one, and what a deleted one leaves."""

import base64
import itertools
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import guests
import pytest
import tiny
import traces
import yaml
from traces import Instance, inside, nobody

from devtest import container, undercloud
from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

TYPES = ("lxc", "docker", "kvm")
CLOUD = "undercloud"
# Where nobody may find a secret; the rest of a node is the image's.
PLACES = ("/etc", "/home", "/mnt", "/opt", "/root", "/run", "/srv", "/tmp", "/var")
# What holds disks, images and config drives. The last are the hypervisors' and Ironic's.
PRIVATE = ("/var/lib/glance", "/var/lib/ironic", "/var/lib/virtual-baremetal", *traces.STATES)
# What an instance has while it runs, so that its absence tells something.
EXPECTED = {
    "lxc": {"loops", "cgroups", "links", "switch ports", "files", "processes"},
    "docker": {"mounts", "cgroups", "links", "switch ports", "files", "containers"},
    "kvm": {"links", "switch ports", "files", "processes"},
}
MARK = f"secret-{secrets.token_hex(16)}"


@dataclass
class Siblings:
    """Two running instances of a type, with a secret in their user data."""

    workspace: Workspace
    connection: Any
    hypervisor: str
    instances: list[Instance]


@pytest.fixture(scope="module")
def siblings(
    undercloud: Workspace, scratch: Path, request: pytest.FixtureRequest
) -> Iterator[Siblings]:
    hypervisor, connection = request.param, guests.connect(undercloud)
    ids = guests.boot(
        connection,
        f"sibling-{hypervisor}",
        guests.load(undercloud, hypervisor, scratch),
        count=2,
        flavor_id=guests.flavor(connection, hypervisor),
        user_data=base64.b64encode(MARK.encode()).decode(),
        config_drive=True,
    )
    try:
        settled = guests.settled(connection, ids, 300)
        assert {each.status for each in settled} == {"ACTIVE"}, [each.fault for each in settled]
        found = [traces.instance(undercloud, connection, each) for each in ids]
        yield Siblings(undercloud, connection, hypervisor, found)
    finally:
        guests.delete(connection, ids)


of_each_type = pytest.mark.parametrize(
    "siblings",
    [TYPES[0], *(pytest.param(each, marks=pytest.mark.full) for each in TYPES[1:])],
    indirect=True,
)


def wanted(workspace: Workspace) -> list[str]:
    """Return what nobody may find: the undercloud's secrets, and that of the instances."""
    text = (workspace.stacks(CLOUD) / "secrets.yaml").read_text()
    values = map(str, yaml.safe_load(text)["parameter_defaults"].values())
    # Keys are in files with other line breaks.
    lines = [line.strip() for value in values for line in value.splitlines()]
    return [MARK, *(line for line in lines if len(line) > 12 and not line.startswith("-----"))]


def readable(workspace: Workspace, patterns: list[str]) -> list[str]:
    """Return the node's files with one of ``patterns`` that its user nobody can read."""
    search = nobody("grep", "-rlsF", "--devices=skip", "-f", "-", *PLACES)
    command = container.enter_command(undercloud.current(workspace), search)
    text = "".join(f"{each}\n" for each in patterns)
    # It complains about what it may not read, which is what is wanted.
    done = subprocess.run(command, input=text, stdout=subprocess.PIPE, text=True, timeout=120)
    return done.stdout.split()


@of_each_type
def test_a_user_without_rights_finds_no_secret_on_the_node(siblings: Siblings) -> None:
    workspace, open_file = siblings.workspace, "/var/tmp/open"
    patterns = wanted(workspace)
    assert len(patterns) > 10
    # The search finds what there is.
    inside(workspace, "sh", "-c", f"echo {patterns[-1]} > {open_file}; chmod 644 {open_file}")
    try:
        assert readable(workspace, patterns) == [open_file]
    finally:
        inside(workspace, "rm", open_file)


@of_each_type
def test_a_user_without_rights_sees_no_disk_on_the_node(siblings: Siblings) -> None:
    workspace = siblings.workspace
    for path in PRIVATE:
        seen = container.enter_command(
            undercloud.current(workspace), nobody("find", path, "-mindepth", "1", "-readable")
        )
        assert subprocess.run(seen, stdout=subprocess.PIPE, text=True).stdout == ""
    # What is made in them does not depend on the directory alone; but what an image has in it is
    # docker's.
    for path, name in itertools.product(PRIVATE, ("disk*", "console.log", "config-drive")):
        where = ("find", path, "-path", "*/overlay2", "-prune", "-o", "-name", name)
        assert inside(workspace, *where, "-perm", "/007", "-print") == ""


@of_each_type
def test_a_user_of_the_host_sees_nothing_of_the_state(siblings: Siblings) -> None:
    state, inner = siblings.workspace.state, siblings.workspace.container
    look = nobody("find", state, "-mindepth", "1")
    assert subprocess.run(look, stdout=subprocess.PIPE, text=True).stdout == ""
    for directory in (state, inner):
        assert directory.stat().st_mode & 0o777 == 0o700


@of_each_type
def test_a_deleted_instance_leaves_nothing_while_its_sibling_runs(siblings: Siblings) -> None:
    workspace, connection = siblings.workspace, siblings.connection
    gone, stays = siblings.instances
    expected = EXPECTED[siblings.hypervisor]
    assert traces.kinds(workspace, gone.names).keys() >= expected
    guests.delete(connection, [gone.id], 60)
    guests.until_nothing(20, lambda: traces.kinds(workspace, gone.names))
    assert connection.compute.get_server(stays.id).status == "ACTIVE"
    assert traces.kinds(workspace, stays.names).keys() >= expected


@pytest.mark.parametrize("hypervisor", ["lxc", "docker"])
def test_a_guest_that_ends_at_once_is_reported_at_once(
    undercloud: Workspace, scratch: Path, hypervisor: str
) -> None:
    connection = guests.connect(undercloud)
    image = guests.load(undercloud, hypervisor, scratch, "broken", tiny.BROKEN)
    (server,) = guests.boot(connection, f"broken-{hypervisor}", image)
    (settled,) = guests.settled(connection, [server], 60)
    assert settled.status == "ERROR"
    assert tiny.LAST_WORDS in guests.fault(connection, server)
    names = {server, settled.instance_name}
    guests.delete(connection, [server], 60)
    guests.until_nothing(20, lambda: traces.kinds(undercloud, names))
