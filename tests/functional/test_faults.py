# SPDX-License-Identifier: Apache-2.0
"""Daemons killed with SIGKILL while servers boot, are deleted, or just run.

Afterwards the list of servers and what is really there agree, and when the servers are gone nothing
of them is left: domains, containers, taps, mounts, loop devices, namespaces, ports, allocations.
The hypervisor types are tried side by side, each at its own moment.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import guests
import keystoneauth1.exceptions
import machines
import openstack.exceptions
import pytest
import reality
from conftest import devtest

from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

NODE = "undercloud"
COUNT = 3
# Seconds for servers to be built or deleted, around a restart of a daemon.
PATIENCE = 300
# Nova looks every minute for what it has not finished.
PERIODIC = 180
# How long a daemon is away: drivers wait a minute for it.
AWAY = 10

# What is killed: a unit for each hypervisor type whose servers have to bear it.
VICTIMS = {
    "nova-compute": {
        "lxc": "nova-compute-lxc",
        "docker": "nova-compute-docker",
        "kvm": "nova-compute-kvm",
        "ironic": "nova-compute-ironic",
    },
    # Of bare metal it is Ironic, API and conductor.
    "hypervisor": {
        "lxc": "libvirtd@lxc",
        "docker": "docker",
        "kvm": "libvirtd@kvm",
        "ironic": "ironic",
    },
    "nova-conductor": {"lxc": "nova-conductor"},
}
# Asked for inside: a command from outside for each look would take half of the machine.
KILL = """
before=$(systemctl show --property=MainPID --value "$1")
systemctl kill --kill-whom=main --signal=SIGKILL "$1"
for look in $(seq 240); do
    pid=$(systemctl show --property=MainPID --value "$1")
    if [ "$pid" != 0 ] && [ "$pid" != "$before" ] && systemctl --quiet is-active "$1"; then
        exit 0
    fi
    sleep 0.5
done
exit 1
"""
# What it has not given to a host is lost with it, and stays in BUILD (docs/scheduling.md).
SCHEDULES = "nova-conductor"
# Ironic gives up what its conductor was in the middle of, and leaves the rest to its user.
GIVES_UP = "ironic"


@pytest.fixture(scope="module")
def images(undercloud: Workspace, scratch: Path) -> Iterator[dict[str, str]]:
    """The id of a tiny image for each type; machines for ironic, which are not real."""
    with machines.enrolled(guests.connect(undercloud), COUNT, scratch):
        yield {name: guests.load(undercloud, name, scratch) for name in guests.enabled()}


class Servers:
    """Servers of one type, and the daemon that is killed."""

    def __init__(self, workspace: Workspace, hypervisor: str, unit: str, image: str) -> None:
        """Connect to the undercloud, with a connection of its own: types have a thread each."""
        self.hypervisor, self.unit, self.image = hypervisor, unit, image
        self.connection = guests.connect(workspace)
        self.flavor = guests.flavor(self.connection, hypervisor)
        self.ids: list[str] = []

    def boot(self, name: str, count: int) -> list[str]:
        """Ask for servers and return their ids; they are not there yet."""
        name, flavor = f"{name}-{self.hypervisor}", self.flavor
        made = guests.boot(self.connection, name, self.image, count=count, flavor_id=flavor)
        self.ids += made
        return made

    def settled(self, ids: list[str]) -> set[str]:
        """Wait until no server is being built, and return their statuses."""
        return {each.status for each in guests.settled(self.connection, ids, PATIENCE)}

    def run(self, name: str, count: int) -> list[str]:
        """Return the ids of new servers, which run."""
        ids = self.boot(name, count)
        assert self.settled(ids) == {"ACTIVE"}
        return ids

    def ask_to_delete(self, ids: list[str]) -> None:
        for each in ids:
            self.connection.compute.delete_server(each, ignore_missing=True)

    def begun_to_delete(self) -> None:
        """Wait until Nova deletes the servers."""
        guests.until("no server is being deleted", PATIENCE, self._deleting, between=0.5)

    def _deleting(self) -> bool:
        known = guests.known(self.connection, self.ids)
        return not known or any(each.task_state == "deleting" for each in known)

    def gone(self) -> None:
        """Wait until no server is left, without asking again unless the daemon gives up."""
        if self.unit == GIVES_UP:
            guests.until("deletes are neither done nor given up", PATIENCE, self._decided)
            self.ask_to_delete(self.ids)
        guests.gone(self.connection, self.ids, PATIENCE)

    def _decided(self) -> bool:
        return all(each.status == "ERROR" for each in guests.known(self.connection, self.ids))

    def systemctl(self, word: str) -> None:
        done = devtest("undercloud", "enter", "systemctl", word, f"{self.unit}.service")
        assert done.returncode == 0

    def kill(self) -> None:
        """Kill the daemon, and wait until it and Nova's process work again.

        Nova disables its service when libvirt's connection breaks, and enables it with the next.
        """
        done = devtest("undercloud", "enter", "sh", "-c", KILL, "sh", f"{self.unit}.service")
        assert done.returncode == 0, f"{self.unit} is not back"
        if self.unit == GIVES_UP:
            guests.until("Ironic does not answer", 120, self._answers)
        self.up()

    def _answers(self) -> bool:
        try:
            return bool(list(self.connection.baremetal.nodes()))
        except (openstack.exceptions.SDKException, keystoneauth1.exceptions.ConnectFailure):
            return False

    def up(self) -> None:
        """Wait until Nova takes the type's service for up and enabled."""
        host = f"{NODE}-{self.hypervisor}"
        guests.until(
            f"{host} is not up",
            120,
            lambda: any(
                (each.host, each.state, each.status) == (host, "up", "enabled")
                for each in self.connection.compute.services(binary="nova-compute")
            ),
        )


class World:
    """The undercloud with servers of every type that has a victim."""

    def __init__(self, workspace: Workspace, servers: list[Servers]) -> None:
        """Take note of what is there."""
        self.workspace, self.servers = workspace, servers
        self.connection = guests.connect(workspace)
        self.before = reality.take(workspace, self.connection)

    def each(self, act: Callable[[Servers], None]) -> None:
        """Do it with every type, side by side, and raise what one of them raised."""
        with ThreadPoolExecutor(len(self.servers)) as threads:
            list(threads.map(act, self.servers))

    @property
    def ids(self) -> list[str]:
        return [one for each in self.servers for one in each.ids]

    def left(self) -> dict[str, list[str]]:
        """Return what there is that was not there before the servers."""
        return self.before.added(reality.take(self.workspace, self.connection))

    def agree(self) -> None:
        """Wait until what runs is what Nova calls ACTIVE, and nothing else."""
        guests.until_nothing(PERIODIC, self._different)

    def _different(self) -> dict[str, Any]:
        """Return the servers that run and are not ACTIVE, or the other way round."""
        listed = {each.id: each for each in self.connection.compute.servers()}
        active = {each for each in self.ids if each in listed and listed[each].status == "ACTIVE"}
        running = reality.take(self.workspace, self.connection).running - self.before.running
        return {
            one: {"runs": one in running, "listed": _state(listed.get(one))}
            for one in active ^ running
        }


def _state(server: Any) -> dict[str, Any]:
    """Return what tells how a server came to its status; empty if Nova lists none."""
    leaves = ("name", "status", "vm_state", "task_state", "power_state", "fault")
    return {leaf: getattr(server, leaf) for leaf in leaves} if server else {}


@pytest.fixture(
    params=[
        name if name == "nova-compute" else pytest.param(name, marks=pytest.mark.full)
        for name in VICTIMS
    ]
)
def world(
    undercloud: Workspace, images: dict[str, str], scratch: Path, request: pytest.FixtureRequest
) -> Iterator[World]:
    """The undercloud, in which afterwards nothing more is than there was."""
    units = {name: unit for name, unit in VICTIMS[request.param].items() if name in images}
    if "ironic" in units:
        # As its user does after Ironic was killed: a node may be "clean failed", or in "error".
        machines.register_fakes(COUNT, scratch)
        machines.await_free(guests.connect(undercloud))
    there = World(undercloud, [Servers(undercloud, n, u, images[n]) for n, u in units.items()])
    yield there
    guests.delete(there.connection, there.ids, PATIENCE)
    guests.until_nothing(PERIODIC, there.left)


@pytest.mark.full
def test_killed_at_rest_and_during_delete(world: World) -> None:
    def at_rest(servers: Servers) -> None:
        servers.run("rest", COUNT - 1)
        servers.kill()

    def once_more(servers: Servers) -> None:
        assert servers.settled(servers.ids) == {"ACTIVE"}
        servers.run("after", 1)

    def while_deleting(servers: Servers) -> None:
        servers.ask_to_delete(servers.ids)
        servers.begun_to_delete()
        servers.kill()
        servers.gone()

    world.each(at_rest)
    world.agree()
    # It works as before.
    world.each(once_more)
    world.each(while_deleting)
    world.agree()


def test_killed_during_boot(world: World) -> None:
    """When the first one is on its host; a scheduler's victim when all are."""

    def while_booting(servers: Servers) -> None:
        ids = servers.boot("boot", COUNT)
        enough = all if servers.unit == SCHEDULES else any
        guests.until(
            "no server is built",
            PATIENCE,
            lambda: enough(each.compute_host for each in guests.known(servers.connection, ids)),
        )
        servers.kill()
        assert servers.settled(ids) <= {"ACTIVE", "ERROR"}

    world.each(while_booting)
    world.agree()


# A minute is what the drivers wait for it.
@pytest.mark.full
@pytest.mark.parametrize("world", ["hypervisor"], indirect=True)
def test_away_while_deleting(world: World) -> None:
    """Whatever a delete wants of the daemon, it waits for it, and Nova's service is up again."""

    def away(servers: Servers) -> None:
        ids = servers.run("away", 2)
        servers.systemctl("stop")
        servers.ask_to_delete(ids)
        servers.begun_to_delete()
        time.sleep(AWAY)
        servers.systemctl("start")
        servers.gone()
        servers.up()

    world.each(away)
    world.agree()


# The guest runs, and nova-compute ends before it has said so.
NOT_YET_SAID = """
mysql nova --execute="
    UPDATE instances SET vm_state = 'building', task_state = 'spawning' WHERE uuid = '$1'"
"""


@pytest.mark.full
@pytest.mark.parametrize("world", ["nova-compute"], indirect=True)
def test_a_half_done_build_leaves_no_guest(world: World) -> None:
    """Nova gives the server up; it stops, and can be started again or deleted.

    A machine is given back to Ironic: there is nothing to start.
    """

    def half_built(servers: Servers) -> None:
        (server,) = servers.run("half", 1)
        done = devtest("undercloud", "enter", "sh", "-c", NOT_YET_SAID, "sh", server)
        assert done.returncode == 0, done.stderr
        servers.kill()
        assert servers.settled([server]) == {"ERROR"}

    def started(servers: Servers) -> None:
        (server,) = servers.ids
        if servers.hypervisor != "ironic":
            servers.connection.compute.reboot_server(server, "HARD")
            guests.until(
                f"{servers.hypervisor}: not started",
                PATIENCE,
                lambda: servers.connection.compute.get_server(server).status == "ACTIVE",
            )

    world.each(half_built)
    world.agree()
    world.each(started)
    world.agree()


# What a nova-compute leaves that ends in the middle of a delete. It hears of it 15 s later, with
# which it delays libvirt's events.
HALF_DELETED = """
set -e
in-hypervisor lxc virsh -c lxc:///system destroy "$1"
in-hypervisor lxc virsh -c lxc:///system undefine "$1"
"""


def test_a_half_done_delete_is_finished(undercloud: Workspace, images: dict[str, str]) -> None:
    """The disk is attached to a loop device, mounted nowhere, and Nova has no domain to ask."""
    servers = Servers(undercloud, "lxc", "nova-compute-lxc", images["lxc"])
    before = reality.take(undercloud, servers.connection)
    (server,) = servers.run("half", 1)
    done = devtest("undercloud", "enter", "sh", "-c", HALF_DELETED, "sh", server)
    assert done.returncode == 0, done.stderr
    left = before.added(reality.take(undercloud, servers.connection))
    assert left["loop"]
    assert not {"mount", "running"} & left.keys()
    guests.delete(servers.connection, [server], PATIENCE)
    guests.until_nothing(
        PERIODIC, lambda: before.added(reality.take(undercloud, servers.connection))
    )
