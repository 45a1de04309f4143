# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
from fakedaemon import FakeDaemon
from test_docker_containers import ENGINE, SETTINGS, SPEC

from novadrivers.docker import containers, events
from novadrivers.docker.containers import Containers
from novadrivers.docker.events import Change, Watcher


class Node:
    """A running instance u1, and what the watcher said of it."""

    def __init__(self) -> None:
        self.daemon = FakeDaemon()
        self.daemon.add_image("sha256:i")
        instances = Containers(self.daemon, ENGINE, SETTINGS)
        instances.create(SPEC, "sha256:i")
        instances.start_sandbox("u1")
        instances.start("u1")
        self.daemon.calls.clear()
        self.reported: list[tuple[str, Change]] = []
        self.recovered: list[str] = []
        self.watcher = Watcher(
            lambda: self.daemon,
            instances,
            "node-docker",
            lambda uuid, change: self.reported.append((uuid, change)),
            self.recovered.append,
        )


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def later(node: Node, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the watcher wants to look at later."""
    wanted: list[Any] = []
    monkeypatch.setattr(node.watcher, "_later", lambda *arguments: wanted.append(arguments))
    return wanted


def event(action: str, uuid: str = "u1") -> dict[str, Any]:
    return {"Action": action, "Actor": {"Attributes": {containers.UUID: uuid}}}


@pytest.mark.parametrize(
    ("action", "change"),
    [("start", Change.STARTED), ("pause", Change.PAUSED), ("unpause", Change.RESUMED)],
)
def test_what_events_say_is_reported(node: Node, action: str, change: Change) -> None:
    node.watcher.handle(event(action))
    assert node.reported == [("u1", change)]


def test_other_events_are_nothing(node: Node, later: list[Any]) -> None:
    for action in ("exec_start: ls", "create", "destroy", "resize"):
        node.watcher.handle(event(action))
    node.watcher.handle({"status": "die", "Actor": {"Attributes": {}}})
    assert not node.reported
    assert not later


def test_end_of_init_is_looked_at_when_all_is_settled(node: Node, later: list[Any]) -> None:
    node.watcher.handle(event("die"))
    assert later == [(events.SETTLE_SECONDS, "u1", events.SHUTDOWN_SECONDS)]
    assert not node.reported


def test_reboot_inside_starts_again(node: Node) -> None:
    node.daemon.exit("nova-u1", 129)
    node.watcher.settle("u1", 20)
    assert node.daemon.calls == [("start", "nova-u1")]
    assert not node.reported


@pytest.mark.parametrize("code", [0, 130, 137, 255])
def test_every_other_end_is_a_stop(node: Node, code: int) -> None:
    node.daemon.exit("nova-u1", code)
    node.watcher.settle("u1", 20)
    assert node.reported == [("u1", Change.STOPPED)]
    assert not node.daemon.calls


def test_late_event_of_a_running_instance_is_nothing(node: Node) -> None:
    node.watcher.settle("u1", 20)
    assert not node.reported
    assert not node.daemon.calls


def test_deleted_instance_is_nothing(node: Node) -> None:
    del node.daemon.made["nova-u1"]
    node.watcher.settle("u1")
    assert not node.reported


@pytest.mark.parametrize("code", [129, 130, 137])
def test_daemon_that_shuts_down_is_given_its_time(node: Node, later: list[Any], code: int) -> None:
    node.daemon.exit("nova-u1-net", 137)
    node.daemon.exit("nova-u1", code)
    node.watcher.settle("u1", 20)
    assert later == [(20, "u1", 0)]
    assert not node.reported
    assert not node.recovered
    node.watcher.settle("u1")
    assert node.recovered == ["u1"]


def test_missed_reboots_are_made_up_for(node: Node) -> None:
    node.daemon.exit("nova-u1", 129)
    node.watcher.restart_rebooted()
    assert node.daemon.calls == [("start", "nova-u1")]


@pytest.mark.parametrize(("code", "sandbox"), [(130, True), (137, True), (129, False)])
def test_what_else_is_down_at_the_start_is_novas(node: Node, code: int, sandbox: bool) -> None:
    node.daemon.exit("nova-u1", code)
    if not sandbox:
        node.daemon.exit("nova-u1-net", 137)
    node.watcher.restart_rebooted()
    assert not node.daemon.calls


def test_lost_daemon_is_followed_again_and_all_instances_looked_at(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "RECONNECT_SECONDS", 0)
    connections = []

    def follow(**arguments: Any) -> Any:
        connections.append(arguments["filters"])
        if len(connections) == 1:
            raise ConnectionError("gone")
        if len(connections) == 3:
            node.watcher.stop()
        return iter(())

    node.daemon.events = follow  # type: ignore[attr-defined]
    node.daemon.exit("nova-u1-net", 137)
    node.daemon.exit("nova-u1", 137)
    node.watcher._run()
    assert node.recovered == ["u1", "u1"]
    assert connections[0]["label"] == [
        "org.openstack.nova.host=node-docker",
        "org.openstack.nova.role=instance",
    ]


def test_stopped_watcher_acts_no_more(node: Node) -> None:
    node.daemon.events = lambda **arguments: iter([event("start")])  # type: ignore[attr-defined]
    node.daemon.exit("nova-u1", 129)
    node.watcher.stop()
    node.watcher._run()
    node.watcher._settle_logged("u1", 0)
    assert not node.reported
    assert not node.daemon.calls
