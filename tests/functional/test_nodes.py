# SPDX-License-Identifier: Apache-2.0
"""A second node joins the undercloud, takes a server, is drained and removed; nothing stays.

It lives through a restart of the undercloud, as all else does.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import guests
import killpoint
import pytest
import snapshot
import yaml
from conftest import devtest, identities, openstack

from altostratus import datafiles
from devtest import container, undercloud
from devtest.container import hostnet, processes
from devtest.undercloud import nodes
from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

NAME = "hypervisor-0"
HOST = f"{NAME}-lxc"
FAKES = "fakes"
FAKE_HOSTS = {f"{FAKES}-fake-0", f"{FAKES}-fake-1"}


def traces(workspace: Workspace) -> list[str]:
    """Return what the machine has that belongs to a further node."""
    spec = undercloud.current(workspace)
    found = [name for name in hostnet.namespaces() if name.startswith(f"{spec.name}-")]
    found += [name for name in hostnet.links(spec.name) if name.startswith("as-")]
    found += [
        name for name in hostnet.links() if name.startswith("as-") and name != spec.network.link
    ]
    bridge = devtest("undercloud", "enter", "ovs-vsctl", "list-ports", "br-ctlplane").stdout.split()
    found += [port for port in bridge if port.startswith("as-")]
    found += [str(pid) for pid in processes.mentioning(str(workspace.nodes))]
    found += [name for name in snapshot.cgroups() if f"/{spec.name}-" in name]
    return found + [str(path) for path in workspace.nodes.glob("*")]


def remove_node(workspace: Workspace) -> None:
    if nodes.added(workspace):
        assert devtest("node", "remove", "--delete-instances").returncode == 0
    assert not traces(workspace)


@pytest.fixture(scope="module")
def clean(undercloud: Workspace) -> Iterator[None]:
    """Nothing before the tests of this module, and nothing afterwards."""
    remove_node(undercloud)
    yield
    remove_node(undercloud)


@pytest.fixture
def machine(undercloud: Workspace, clean: None) -> Iterator[None]:
    """The machine without a node; none is left afterwards."""
    remove_node(undercloud)
    yield
    remove_node(undercloud)


@pytest.fixture
def node(clean: None) -> str:
    """The node, which stays for the next test: adding it twice is adding it once."""
    done = devtest("node", "add", NAME)
    assert done.returncode == 0
    assert done.stdout == f"{NAME}: {HOST}\n"
    return NAME


def test_a_server_on_the_node_has_its_network(
    undercloud: Workspace, node: str, scratch: Path
) -> None:
    connection = guests.connect(undercloud)
    image = guests.load(undercloud, "lxc", scratch)
    ids = guests.boot(connection, "on-node", image, host=HOST)
    (server,) = guests.settled(connection, ids, 120)
    assert (server.status, server.compute_host) == ("ACTIVE", HOST)
    # Its lease came from the undercloud, over the wire between the bridges.
    address = server.addresses[guests.NETWORK][0]["addr"]
    guests.until(f"{address} does not answer", 60, lambda: guests.answers(address))
    guests.until(
        "the guest says nothing",
        60,
        lambda: (
            "tiny guest is up" in connection.compute.get_server_console_output(server.id)["output"]
        ),
    )
    guests.delete(connection, ids)


def test_adding_it_again_changes_nothing(undercloud: Workspace, node: str) -> None:
    pid = container.pid(nodes.find(undercloud, NAME).spec)
    assert devtest("node", "add", NAME).returncode == 0
    assert container.pid(nodes.find(undercloud, NAME).spec) == pid


@pytest.mark.full
def test_a_restart_of_the_undercloud_keeps_everything(overcloud: Workspace, node: str) -> None:
    """The clouds, the images and the node; the overcloud's instances run again."""
    servers = identities(overcloud)
    images = {each["ID"] for each in openstack("--os-cloud", "undercloud", "image", "list")}
    assert devtest("undercloud", "stop").returncode == 0
    assert devtest("undercloud", "status").stdout == "undercloud: stopped\n"
    assert container.pid(nodes.find(overcloud, NAME).spec) is None
    assert devtest("undercloud", "start").returncode == 0
    # systemd waited for nobody's helpers.
    left = devtest(
        "undercloud", "enter", "journalctl", "--no-pager", "--grep=Processes still around"
    )
    assert "nova-compute" not in left.stdout
    assert identities(overcloud) == servers
    assert images == {each["ID"] for each in openstack("--os-cloud", "undercloud", "image", "list")}
    nodes.await_registered(guests.connect(overcloud), nodes.find(overcloud, node))
    guests.until("the overcloud is not back", 240, lambda: devtest("verify").returncode == 0)


def test_a_node_with_instances_is_not_removed(
    undercloud: Workspace, node: str, scratch: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    connection = guests.connect(undercloud)
    image = guests.load(undercloud, "lxc", scratch)
    ids = guests.boot(connection, "stays", image, host=HOST)
    guests.settled(connection, ids, 120)
    assert devtest("node", "remove").returncode == 1
    assert f"{NAME} has instances: stays" in capfd.readouterr().err
    # As it was: the next server may go there.
    services = [each for each in connection.compute.services() if each.host == HOST]
    assert [(each.status, each.state) for each in services] == [("enabled", "up")]

    assert devtest("node", "remove", node, "--delete-instances").returncode == 0
    assert not [each for each in connection.compute.services() if each.host == HOST]
    assert not list(connection.network.agents(host=NAME))
    assert HOST not in {each.name for each in connection.compute.hypervisors()}
    providers = connection.placement.get("/resource_providers").json()["resource_providers"]
    assert HOST not in {each["name"] for each in providers}
    assert not {each.id for each in connection.compute.servers()} & set(ids)
    assert not traces(undercloud)


@pytest.mark.full
def test_servers_are_shared_out_and_a_drained_node_gets_none(
    undercloud: Workspace, node: str, scratch: Path
) -> None:
    connection = guests.connect(undercloud)
    image = guests.load(undercloud, "lxc", scratch)
    # The one with more room comes first, until the other has more.
    ids: list[str] = []
    hosts: set[str] = set()
    while hosts != {HOST, "undercloud-lxc"} and len(ids) < 24:
        ids += guests.boot(connection, f"shared-{len(ids)}", image, count=6)
        hosts = {each.compute_host for each in guests.settled(connection, ids, 120)}
    guests.delete(connection, ids)
    assert hosts == {HOST, "undercloud-lxc"}
    nodes.drain(connection, nodes.find(undercloud, NAME), delete=False)
    ids = guests.boot(connection, "elsewhere", image, count=3)
    hosts = {each.compute_host for each in guests.settled(connection, ids, 120)}
    guests.delete(connection, ids)
    assert hosts == {"undercloud-lxc"}


@pytest.mark.full
@pytest.mark.parametrize("point", ["node: link", "node: configured"])
def test_a_killed_add_is_finished_or_undone(
    undercloud: Workspace, machine: None, point: str
) -> None:
    killpoint.kill(point, "devtest.main", "node", "add", NAME)
    assert devtest("node", "add", NAME).returncode == 0


@pytest.mark.full
def test_a_node_that_was_killed_is_removed(undercloud: Workspace, node: str) -> None:
    init = container.pid(nodes.find(undercloud, NAME).spec)
    assert init
    os.kill(init, signal.SIGKILL)
    assert devtest("node", "remove", node).returncode == 0
    assert not traces(undercloud)


def test_what_cannot_be(undercloud: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    assert devtest("node", "remove", "nobody").returncode == 1
    assert "no node nobody" in capfd.readouterr().err
    assert devtest("node", "add", "nobody").returncode == 2
    assert "nodes: hypervisor-0, hypervisor-1" in capfd.readouterr().err
    plain = str(datafiles.examples_path() / "overcloud-lxc.yaml")
    assert devtest("node", "add", "--cloud", plain).returncode == 2
    assert "joins no cloud" in capfd.readouterr().err


@pytest.fixture
def fakes(undercloud: Workspace, machine: None, scratch: Path) -> str:
    """A node whose nova-computes have no hypervisor."""
    example = datafiles.examples_path() / nodes.CLOUD
    cloud = yaml.safe_load(example.read_text())
    role = cloud["roles"].pop("hypervisor")
    role |= {"services": ["neutron-openvswitch-agent", "nova-fake"], "count": 1}
    role["addresses"] = {"ctlplane": ["192.168.24.4"]}
    role["config"]["nova-fake"] = {"count": 2}
    cloud |= {"name": FAKES, "join": str(example.with_name("undercloud.yaml"))}
    cloud["roles"] = {FAKES: role}
    file = scratch / f"{FAKES}.yaml"
    file.write_text(yaml.safe_dump(cloud))
    done = devtest("node", "add", "--cloud", str(file))
    assert done.returncode == 0
    assert set(done.stdout.replace(",", "").split()) == {f"{FAKES}:", *FAKE_HOSTS}
    return FAKES


@pytest.mark.full
def test_fake_computes_are_hosts_like_others(undercloud: Workspace, fakes: str) -> None:
    connection = guests.connect(undercloud)
    spec = nodes.find(undercloud, fakes).spec
    image = connection.image.create_image(
        name="fake",
        data=b"\0" * 512,
        disk_format="raw",
        container_format="bare",
        hypervisor_type="fake",
    )

    def boot(name: str) -> set[str]:
        ids = guests.boot(connection, name, image.id, count=4)
        servers = guests.settled(connection, ids, 120)
        guests.delete(connection, ids)
        assert {each.status for each in servers} == {"ACTIVE"}
        return {each.compute_host for each in servers}

    def children() -> list[str]:
        unit = "nova-compute-fake.service"
        main = container.inside(spec, "systemctl", "show", "--property=MainPID", "--value", unit)
        return container.inside(spec, "pgrep", "--parent", main.strip()).split()

    try:
        assert boot("fake") <= FAKE_HOSTS
        # One that ends is started again, beside the other.
        victim, other = children()
        container.inside(spec, "kill", "-KILL", victim)
        guests.until("it is not back", 120, lambda: len(set(children()) - {victim, other}) == 1)
        nodes.await_registered(connection, nodes.find(undercloud, fakes))
        assert boot("again") <= FAKE_HOSTS
    finally:
        connection.image.delete_image(image)
