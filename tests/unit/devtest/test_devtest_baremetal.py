# SPDX-License-Identifier: Apache-2.0
"""How many bare-metal nodes a cloud still needs, and when the scheduler knows them."""

from types import SimpleNamespace
from typing import Any

import pytest

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


class Compute:
    """Nova, which stops a server only while it is waited for."""

    def __init__(self) -> None:
        self.compute = self
        self.calls: list[tuple[str, str]] = []

    def stop_server(self, server: str) -> None:
        self.calls.append(("stop", server))

    def get_server(self, server: str) -> str:
        return server

    def wait_for_server(self, server: str, status: str, wait: int) -> None:
        assert status == "SHUTOFF"
        self.calls.append(("wait", server))


def test_only_running_servers_that_leave_bare_metal_are_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    places = [
        ("leaves", "undercloud-ironic", "ACTIVE"),
        ("leaves-too", "undercloud-ironic", "ACTIVE"),
        ("stays", "undercloud-ironic", "ACTIVE"),
        ("is-stopped", "undercloud-ironic", "SHUTOFF"),
        ("container", "undercloud-lxc", "ACTIVE"),
    ]
    found = [
        SimpleNamespace(id=f"id-{role}", name=f"c-{role}-0", role=role, host=host, status=status)
        for role, host, status in places
    ]
    monkeypatch.setattr(instances, "of_cloud", lambda connection, cloud: found)
    nova: Any = Compute()
    stopped = baremetal.stop_leaving(nova, "c", {"stays"})
    assert stopped == ["c-leaves-0", "c-leaves-too-0"]
    # All are asked first: they shut down side by side.
    assert nova.calls == [
        ("stop", "id-leaves"),
        ("stop", "id-leaves-too"),
        ("wait", "id-leaves"),
        ("wait", "id-leaves-too"),
    ]


def test_the_scheduler_is_waited_for() -> None:
    undercloud: Any = Undercloud(providers=3)
    baremetal.await_placement(undercloud, 2)
    assert undercloud.asked == ["/resource_providers?resources=CUSTOM_BAREMETAL:1"] * 2


def test_too_few_nodes_are_an_error_with_a_hint() -> None:
    undercloud: Any = Undercloud(providers=1)
    with pytest.raises(AltostratusError, match="knows 1 free bare-metal nodes of 2") as error:
        baremetal.await_placement(undercloud, 2)
    assert "nova-compute-ironic" in str(error.value.hint)
