# SPDX-License-Identifier: Apache-2.0
"""How many bare-metal nodes a cloud still needs, and when the scheduler knows them."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))

import fakecompute
from fakecompute import FakeCompute

from altostratus.errors import AltostratusError
from devtest.undercloud import baremetal, instances


class Undercloud:
    """The calls of a connection that are used; Placement lists one more provider each time."""

    def __init__(self, providers: int) -> None:
        self.placement = self
        self.most = providers
        self.asked: list[str] = []

    def get(self, path: str, microversion: str) -> Any:
        self.asked.append(path)
        count = min(len(self.asked), self.most)
        return SimpleNamespace(ok=True, json=lambda: {"resource_providers": [{}] * count})


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 100_000, 30))
    clock = SimpleNamespace(sleep=lambda _: None, monotonic=lambda: next(now))
    monkeypatch.setattr(baremetal, "time", clock)


def test_instances_that_are_there_need_no_node(monkeypatch: pytest.MonkeyPatch) -> None:
    places = [("a", "undercloud-ironic"), ("b", "undercloud-lxc"), ("a", "undercloud-ironic")]
    found = [SimpleNamespace(role=role, host=host) for role, host in places]
    monkeypatch.setattr(instances, "of_cloud", lambda connection, cloud: found)
    undercloud: Any = None
    assert baremetal.missing(undercloud, "c", {"a": 3}) == 1
    assert baremetal.missing(undercloud, "c", {"a": 1}) == 0
    # The nodes of a role that leaves are not free before the role that comes is there.
    assert baremetal.missing(undercloud, "c", {"b": 2}) == 2


@pytest.fixture
def nova() -> Iterator[FakeCompute]:
    with fakecompute.serving() as fake:
        yield fake


def metal(role: str, host: str = "undercloud-ironic", status: str = "ACTIVE") -> dict[str, Any]:
    values = {"OS-EXT-SRV-ATTR:host": host, "status": status}
    return fakecompute.server(f"{role}-0", "c", metadata={"cloud": "c", "role": role}, **values)


def test_only_running_servers_that_leave_bare_metal_are_stopped(nova: FakeCompute) -> None:
    nova.servers = [
        metal("leaves"),
        metal("leaves-too"),
        metal("stays"),
        metal("is-stopped", status="SHUTOFF"),
        metal("container", host="undercloud-lxc"),
    ]
    undercloud: Any = SimpleNamespace(config=nova.region())
    stopped = baremetal.stop_leaving(undercloud, "c", {"stays"})
    assert stopped == ["leaves-0", "leaves-too-0"]
    # All are asked before one is waited for: they shut down side by side.
    assert nova.calls == [f"POST servers c-{name} action os-stop" for name in stopped]
    assert [each["status"] for each in nova.servers].count("SHUTOFF") == 3


@pytest.mark.parametrize("status", ["ERROR", "ACTIVE"])
def test_a_server_that_does_not_stop_is_an_error(nova: FakeCompute, status: str) -> None:
    nova.servers = [metal("leaves")]
    nova.stops_to = status
    undercloud: Any = SimpleNamespace(config=nova.region())
    with pytest.raises(AltostratusError, match=f"leaves-0 did not stop in 180 s: it is {status}"):
        baremetal.stop_leaving(undercloud, "c", set())


def test_the_scheduler_is_waited_for() -> None:
    undercloud: Any = Undercloud(providers=3)
    baremetal.await_placement(undercloud, 2)
    assert undercloud.asked == ["/resource_providers?resources=CUSTOM_BAREMETAL:1"] * 2


def test_too_few_nodes_are_an_error_with_a_hint() -> None:
    undercloud: Any = Undercloud(providers=1)
    with pytest.raises(AltostratusError, match="knows 1 free bare-metal nodes of 2") as error:
        baremetal.await_placement(undercloud, 2)
    assert "nova-compute-ironic" in str(error.value.hint)
