# SPDX-License-Identifier: Apache-2.0
"""What python-novaclient asks of Nova, in which microversion, and what we make of the answers."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fakecompute
import pytest
from fakecompute import FakeCompute
from loopback import Answer

from altostratus.clients.errors import ServiceError
from altostratus.clients.nova import Flavor, Nova, Server, Service


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCompute]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with fakecompute.serving() as found:
        yield found


@pytest.fixture
def nova(fake: FakeCompute) -> Nova:
    return Nova(fake.region())


def test_servers_of_all_projects_and_pages(fake: FakeCompute, nova: Nova) -> None:
    fake.servers = [fakecompute.server(f"web-{number}", "c") for number in range(5)]
    assert [each.name for each in nova.servers()] == [f"web-{number}" for number in range(5)]
    assert nova.servers()[0] == Server(
        id="c-web-0",
        name="web-0",
        status="ACTIVE",
        host="undercloud-lxc",
        metadata={"cloud": "c", "role": "web"},
        addresses={"ctlplane": "192.168.24.101"},
    )
    # Later microversions look up more for each server.
    assert fake.versions["servers"] == "2.1"


def test_a_server_that_failed_and_one_that_is_nowhere_yet(fake: FakeCompute, nova: Nova) -> None:
    fault = {"message": "No valid host was found.", "code": 500}
    fake.servers = [
        fakecompute.server("a", status="ERROR", fault=fault),
        {"id": "b", "name": "b", "status": "BUILD", "OS-EXT-SRV-ATTR:host": None, "addresses": {}},
    ]
    failed, new = nova.servers()
    assert failed.fault == "No valid host was found."
    assert new == Server("b", "b", "BUILD")


def test_servers_are_stopped_and_deleted(fake: FakeCompute, nova: Nova) -> None:
    fake.servers = [fakecompute.server("web-0", "c")]
    nova.stop_server("c-web-0")
    assert nova.server("c-web-0").status == "SHUTOFF"
    assert nova.console("c-web-0", 7) == "the last 7 lines\n"
    nova.delete_server("c-web-0")
    # Somebody was faster.
    nova.delete_server("c-web-0")
    assert fake.servers == []
    with pytest.raises(ServiceError, match=r"Nova answers: Instance c-web-0 could not be found"):
        nova.stop_server("c-web-0")


def test_hypervisors_are_not_asked_for_their_uptime(fake: FakeCompute, nova: Nova) -> None:
    fake.hypervisors = [
        {"id": str(number), "state": state, "service": {"host": host}}
        for number, (host, state) in enumerate(
            [("undercloud-lxc", "up"), ("undercloud-kvm", "down"), ("undercloud-lxc", "up")]
        )
    ]
    assert nova.compute_hosts() == {"undercloud-lxc"}
    # From 2.88 on Nova asks each nova-compute, and fails while one is busy.
    assert fake.versions["os-hypervisors"] == "2.53"


def test_services_are_known_by_their_uuid(fake: FakeCompute, nova: Nova) -> None:
    record = {"binary": "nova-compute", "status": "enabled", "state": "up"}
    fake.services = [
        {**record, "id": "u1", "host": "node-lxc"},
        {**record, "id": "u2", "host": "other-lxc"},
        {**record, "id": "u3", "host": "node-lxc", "binary": "nova-conductor"},
    ]
    (service,) = nova.compute_services(["node-lxc"])
    assert service == Service("u1", "node-lxc", "enabled", "up")
    assert fake.versions["os-services"] == "2.53"
    nova.disable(service, "because")
    assert (
        fake.services[0] | {"status": "disabled", "disabled_reason": "because"}
        == (fake.services[0])
    )
    nova.enable(service)
    assert fake.services[0]["status"] == "enabled"
    nova.force_down(service, True)
    assert fake.services[0]["forced_down"] is True
    nova.force_down(service, False)
    assert fake.services[0]["forced_down"] is False
    nova.delete_service(service)
    nova.delete_service(service)
    assert [each["id"] for each in fake.services] == ["u2", "u3"]


def test_flavors_of_all_pages_with_their_extra_specs(fake: FakeCompute, nova: Nova) -> None:
    wanted = [Flavor(f"f{number}", 512, 1, 4, {"a": str(number)}) for number in range(3)]
    wanted.append(Flavor("plain", 64, 2, 0))
    for flavor in wanted:
        nova.create_flavor(flavor)
    found = nova.flavors()
    # The id, which Nova chooses, makes no difference.
    assert found == wanted and all(flavor.id for flavor in found)
    assert fake.versions["flavors"] == "2.61"
    assert all(made["os-flavor-access:is_public"] for made in fake.flavors)
    nova.delete_flavor(found[0])
    nova.delete_flavor(found[0])
    assert nova.flavors() == wanted[1:]


def test_key_pairs(fake: FakeCompute, nova: Nova) -> None:
    assert nova.public_key("k") is None
    nova.create_key("k", "ssh-ed25519 AAAA me")
    assert nova.public_key("k") == "ssh-ed25519 AAAA me"
    nova.delete_key("k")
    nova.delete_key("k")
    assert fake.keys == {}


def test_quotas_may_be_below_what_is_in_use(fake: FakeCompute, nova: Nova) -> None:
    nova.set_quotas("p", {"cores": -1, "ram": -1})
    assert fake.quotas == {"project": "p", "cores": -1, "ram": -1, "force": True}


def test_a_refusal_is_no_missing_key(fake: FakeCompute, nova: Nova) -> None:
    fake.refusal = Answer(403, {"forbidden": {"code": 403, "message": "Policy says no."}})
    with pytest.raises(
        ServiceError, match=r"^Nova answers: Policy says no\. \(HTTP 403\)$"
    ) as error:
        nova.public_key("k")
    assert error.value.status == 403
    with pytest.raises(ServiceError, match="Policy says no"):
        nova.delete_key("k")


def test_nothing_is_left_in_the_home_directory(
    fake: FakeCompute, nova: Nova, tmp_path: Path
) -> None:
    """novaclient would keep names and ids there, for the completion of its command."""
    fake.servers = [fakecompute.server("a")]
    nova.servers()
    nova.create_flavor(Flavor("f", 1, 1, 1))
    nova.flavors()
    nova.compute_services([])
    nova.compute_hosts()
    assert list(tmp_path.iterdir()) == []


def test_clients_are_imported_late() -> None:
    modules = ("errors", "glance", "heat", "nova", "sdk", "session")
    code = (
        f"from altostratus.clients import {', '.join(modules)}\n"
        "import sys\n"
        "print([m for m in sys.modules if m.split('.')[0] in errors.LIBRARIES])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
