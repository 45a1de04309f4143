# SPDX-License-Identifier: Apache-2.0
"""Servers go to the nova-compute of their image's hypervisor type, and nowhere else."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import guests
import machines
import pytest
import tiny
from conftest import devtest

from altostratus.hypervisors import HYPERVISORS
from devtest.workspace import Workspace
from imagebuild import load

pytestmark = pytest.mark.gate

NODE = "undercloud"
BAREMETAL = "CUSTOM_BAREMETAL"
# Seconds for MANY tiny servers on two busy processors.
PATIENCE = 600
MANY = 20
FEW = 3


@pytest.fixture(scope="module")
def images(
    undercloud: Workspace, scratch: Path, request: pytest.FixtureRequest
) -> Iterator[dict[str, str]]:
    """The id of a tiny image for each type, as load-image loads it; machines for ironic."""
    counts: list[int] = [
        item.callspec.params["count"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and "count" in item.fixturenames
    ]
    with machines.enrolled(guests.connect(undercloud), max(counts, default=1), scratch):
        yield {name: guests.load(undercloud, name, scratch) for name in guests.enabled()}


@pytest.fixture
def servers(undercloud: Workspace) -> Iterator[list[str]]:
    """Ids of servers, which are deleted afterwards."""
    ids: list[str] = []
    yield ids
    guests.delete(guests.connect(undercloud), ids)


def boot(workspace: Workspace, ids: list[str], name: str, image: str, **more: Any) -> list[Any]:
    connection = guests.connect(workspace)
    ids += guests.boot(connection, name, image, **more)
    return guests.settled(connection, ids, PATIENCE)


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.full)])
@pytest.mark.parametrize("hypervisor", guests.enabled())
def test_servers_of_each_type_are_where_they_belong(
    undercloud: Workspace, images: dict[str, str], servers: list[str], hypervisor: str, count: int
) -> None:
    flavor = guests.flavor(guests.connect(undercloud), hypervisor)
    found = boot(
        undercloud, servers, f"many-{hypervisor}", images[hypervisor], count=count, flavor_id=flavor
    )
    assert len(found) == count
    faults = [each.fault["message"] for each in found if each.fault]
    assert not faults
    assert {each.status for each in found} == {"ACTIVE"}
    assert {each.compute_host for each in found} == {f"{NODE}-{hypervisor}"}


class Provider:
    """A provider of one machine in Placement, without anything behind it."""

    def __init__(self, workspace: Workspace) -> None:
        """Make it."""
        self.uuid = str(uuid.uuid4())
        self.workspace = workspace
        self.placement = self.connect()
        self.placement.post("/resource_providers", json={"name": self.uuid, "uuid": self.uuid})
        inventory = {"resource_provider_generation": 0, "inventories": {BAREMETAL: {"total": 1}}}
        self.placement.put(f"/resource_providers/{self.uuid}/inventories", json=inventory)

    def connect(self) -> Any:
        placement = guests.connect(self.workspace).placement
        placement.default_microversion = "1.38"
        return placement

    def take(self, placement: Any) -> str | None:
        """Ask for the machine, as Nova's scheduler does; return the consumer that got it."""
        consumer = str(uuid.uuid4())
        wanted = {
            "allocations": {self.uuid: {"resources": {BAREMETAL: 1}}},
            "project_id": "test",
            "user_id": "test",
            "consumer_generation": None,
            "consumer_type": "INSTANCE",
        }
        answer = placement.put(f"/allocations/{consumer}", json=wanted)
        assert answer.status_code in (204, 409), answer.text
        return consumer if answer.status_code == 204 else None

    def remove(self) -> None:
        """Delete it, and allocations that a failed test has left."""
        path = f"/resource_providers/{self.uuid}"
        for consumer in self.placement.get(f"{path}/allocations").json()["allocations"]:
            self.placement.delete(f"/allocations/{consumer}")
        assert self.placement.delete(path).status_code == 204


@pytest.fixture
def provider(undercloud: Workspace, images: dict[str, str]) -> Iterator[Provider]:
    """The class of resources is there with the first machine of ``images``."""
    one = Provider(undercloud)
    yield one
    one.remove()


def test_a_machine_is_given_to_one_of_many_at_once(provider: Provider) -> None:
    each = [provider.connect() for _ in range(4)]
    with ThreadPoolExecutor(len(each)) as threads:
        for _ in range(15):
            got = [consumer for consumer in threads.map(provider.take, each) if consumer]
            for consumer in got:
                provider.placement.delete(f"/allocations/{consumer}")
            assert len(got) == 1


@pytest.fixture(
    params=[
        name if name == "lxc" else pytest.param(name, marks=pytest.mark.full)
        for name in guests.enabled()
    ]
)
def stopped(undercloud: Workspace, request: pytest.FixtureRequest) -> Iterator[str]:
    """A type whose nova-compute is stopped."""
    unit = f"nova-compute-{request.param}.service"
    enter = ("undercloud", "enter", "systemctl")
    assert devtest(*enter, "stop", unit).returncode == 0
    yield request.param
    assert devtest(*enter, "start", unit).returncode == 0
    connection = guests.connect(undercloud)
    guests.until("it is down", 120, lambda: state(connection, request.param) == "up")


def state(connection: Any, hypervisor: str) -> str:
    listed = connection.compute.services(binary="nova-compute")
    return next(str(each.state) for each in listed if each.host == f"{NODE}-{hypervisor}")


def test_a_stopped_process_is_an_immediate_failure(
    undercloud: Workspace, images: dict[str, str], servers: list[str], stopped: str
) -> None:
    connection = guests.connect(undercloud)
    assert state(connection, stopped) == "down"
    flavor = guests.flavor(connection, stopped)
    started = time.monotonic()
    (server,) = boot(undercloud, servers, "nowhere", images[stopped], flavor_id=flavor)
    assert server.status == "ERROR"
    assert "No valid host was found" in guests.fault(connection, server.id)
    assert server.compute_host is None
    # Not a measurement: waiting for the process to be missed takes a minute.
    assert time.monotonic() - started < 30


def test_an_untagged_image_is_refused(
    undercloud: Workspace, scratch: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert load.main([str(tiny.image("lxc", scratch))]) == 2
    assert "Nova may start it on hosts of any type" in capfd.readouterr().err


def test_an_untagged_image_matches_hosts_of_every_type(
    undercloud: Workspace, images: dict[str, str], servers: list[str]
) -> None:
    """What the page says of it: host by host, Nova has nothing against any of them."""
    connection = guests.connect(undercloud)
    image = connection.image.create_image(
        name="untagged", data=b"\0" * 512, disk_format="raw", container_format="bare"
    )
    try:
        for hypervisor in guests.enabled():
            if HYPERVISORS[hypervisor].flavor_properties:
                continue
            host = f"{NODE}-{hypervisor}"
            ids = guests.boot(connection, f"any-{hypervisor}", image.id, host=host)
            servers += ids
            (server,) = guests.settled(connection, ids, PATIENCE)
            # An empty disk starts nowhere, or idles: but the scheduler let it pass.
            if server.status == "ERROR":
                assert "No valid host was found" not in guests.fault(connection, server.id)
    finally:
        guests.delete(connection, servers)
        connection.image.delete_image(image)


def test_another_types_tag_is_no_match(undercloud: Workspace, servers: list[str]) -> None:
    """A type that no host has."""
    connection = guests.connect(undercloud)
    image = connection.image.create_image(
        name="vmware",
        data=b"\0" * 512,
        disk_format="raw",
        container_format="bare",
        hypervisor_type="vmware",
    )
    try:
        (server,) = boot(undercloud, servers, "vmware", image.id)
        assert (server.status, server.compute_host) == ("ERROR", None)
        assert "No valid host was found" in guests.fault(connection, server.id)
    finally:
        connection.image.delete_image(image)
