# SPDX-License-Identifier: Apache-2.0
"""A server of type lxc has its network when it begins to use it, and no other's files."""

import json
from collections.abc import Iterator
from pathlib import Path

import guests
import handles
import pytest
from conftest import OVERCLOUD, devtest

from devtest import clouds
from devtest.undercloud import instances
from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

AGENT = "neutron-openvswitch-agent"


def signal(name: str) -> None:
    """Send a signal to the layer 2 agent and its helpers."""
    done = devtest("undercloud", "enter", "systemctl", "kill", f"--signal={name}", AGENT)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def image(undercloud: Workspace, scratch: Path) -> str:
    """The id of an image of a tiny guest."""
    return guests.load(undercloud, "lxc", scratch)


@pytest.fixture
def stopped(image: str) -> Iterator[None]:
    """The layer 2 agent does not notice ports for now; in a minute Neutron would notice that."""
    signal("SIGSTOP")
    yield
    signal("SIGCONT")


def is_up(device: str) -> bool | None:
    """Say whether a network device of the undercloud is up; None where it is not there."""
    show = ("ip", "-json", "link", "show", "dev", device)
    done = devtest("undercloud", "enter", *show)
    return "UP" in json.loads(done.stdout)[0]["flags"] if done.returncode == 0 else None


def test_it_has_no_carrier_until_neutron_has_connected_it(
    undercloud: Workspace, image: str, stopped: None
) -> None:
    connection = guests.connect(undercloud)
    (server,) = guests.boot(connection, "early", image)
    (port,) = guests.until("no port", 60, lambda: list(connection.network.ports(device_id=server)))
    device = f"tap{port.id[:11]}"
    guests.until("no device without carrier", 60, lambda: is_up(device) is False)
    assert connection.compute.get_server(server).status == "BUILD"

    signal("SIGCONT")
    (settled,) = guests.settled(connection, [server], 120)
    assert settled.status == "ACTIVE"
    assert is_up(device)
    address = settled.addresses[guests.NETWORK][0]["addr"]
    guests.until(f"{address} does not answer", 60, lambda: guests.answers(address))
    guests.delete(connection, [server])


def test_root_in_it_reads_no_file_of_the_node(overcloud: Workspace) -> None:
    one = instances.find(clouds.connect(overcloud, "undercloud"), f"{OVERCLOUD}/keystone-0")
    with handles.program(overcloud, "/var/lib/nova-lxc") as command:
        tried = f"sudo {command(handles.CONFIG_DRIVE)}"
        assert instances.execute(overcloud, one, tried) == handles.REFUSED
    status = instances.execute(overcloud, one, "sudo cat /proc/1/status")
    assert handles.harmful(status) == []


def test_it_has_a_network_namespace_without_a_port(undercloud: Workspace, image: str) -> None:
    connection = guests.connect(undercloud)
    (server,) = guests.boot(connection, "alone", image, networks="none")
    (settled,) = guests.settled(connection, [server], 120)
    assert settled.status == "ACTIVE"
    # Its one process of a name of its own; the node's own links would be there otherwise.
    find = f"grep -lz LIBVIRT_LXC_UUID={server} /proc/[0-9]*/environ | head -n 1 | cut -d / -f 3"
    look = f"nsenter --net --target $({find}) ip -oneline link"
    links = devtest("undercloud", "enter", "sh", "-c", look).stdout.splitlines()
    assert [line.split()[1] for line in links] == ["lo:"]
    guests.delete(connection, [server])
