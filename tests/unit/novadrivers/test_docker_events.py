# SPDX-License-Identifier: Apache-2.0
import dataclasses
from typing import Any

import pytest
from fakedaemon import FakeDaemon, api_error
from test_docker_containers import ENGINE, SETTINGS, SPEC

from novadrivers.docker import containers, events
from novadrivers.docker.containers import Containers
from novadrivers.docker.events import Change, Watcher


class Node:
    """A running instance u1, and what the watcher reported of it."""

    def __init__(self) -> None:
        self.daemon = FakeDaemon()
        self.daemon.add_image("sha256:i")
        instances = self.instances = Containers(self.daemon, ENGINE, SETTINGS)
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
    """What the watcher scheduled for later."""
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
    node.watcher.reconcile("u1", 20)
    assert node.daemon.calls == [("start", "nova-u1")]
    assert not node.reported


@pytest.mark.parametrize("code", [0, 130, 137, 255])
def test_every_other_end_is_a_stop(node: Node, code: int) -> None:
    node.daemon.exit("nova-u1", code)
    node.watcher.reconcile("u1", 20)
    assert node.reported == [("u1", Change.STOPPED)]
    assert not node.daemon.calls


def test_late_event_of_a_running_instance_is_nothing(node: Node) -> None:
    node.watcher.reconcile("u1", 20)
    assert not node.reported
    assert not node.daemon.calls


def test_deleted_instance_is_nothing(node: Node) -> None:
    del node.daemon.made["nova-u1"]
    node.watcher.reconcile("u1")
    assert not node.reported


@pytest.mark.parametrize("code", [129, 130, 137])
def test_daemon_that_shuts_down_is_given_its_time(node: Node, later: list[Any], code: int) -> None:
    node.daemon.exit("nova-u1-net", 137)
    node.daemon.exit("nova-u1", code)
    node.watcher.reconcile("u1", 20)
    assert later == [(20, "u1", 0)]
    assert not node.reported
    assert not node.recovered
    node.watcher.reconcile("u1")
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


@pytest.mark.parametrize(
    ("code", "ago", "sandbox", "reboots"),
    [
        (129, 0, True, True),
        (129, events.REBOOT_SECONDS + 1, True, False),
        (129, 0, False, False),
        (130, 0, True, False),
        (137, 0, True, False),
    ],
)
def test_a_reboot_is_known_until_it_must_be_over(
    node: Node, code: int, ago: float, sandbox: bool, reboots: bool
) -> None:
    node.daemon.exit("nova-u1", code, ago)
    if not sandbox:
        node.daemon.exit("nova-u1-net", 137)
    assert node.watcher.is_rebooting("u1", node.instances.state("u1")) is reboots


def test_what_was_started_again_no_longer_reboots(node: Node) -> None:
    node.daemon.exit("nova-u1", 129)
    node.watcher.reconcile("u1")
    assert not node.watcher.is_rebooting("u1", node.instances.state("u1"))


def follow(
    node: Node, monkeypatch: pytest.MonkeyPatch, streams: list[Any], meanwhile: Any = None
) -> list[Any]:
    """Run the watcher while its daemon gives ``streams`` of events; return what it was asked for.

    A stream that is an exception is a daemon that does not answer. ``meanwhile`` happens when the
    first one begins.
    """
    monkeypatch.setattr(events, "RECONNECT_SECONDS", 0)
    asked: list[Any] = []

    def answer(**arguments: Any) -> Any:
        asked.append(arguments)
        if len(asked) == 1 and meanwhile:
            meanwhile()
        stream = streams[len(asked) - 1]
        if isinstance(stream, Exception):
            raise stream
        return ended(stream, len(asked) == len(streams))

    def ended(stream: Any, last: bool) -> Any:
        yield from stream
        if last:
            node.watcher.stop()

    node.daemon.events = answer  # type: ignore[attr-defined]
    node.watcher._run()
    return asked


def test_lost_daemon_is_followed_again_and_all_instances_looked_at(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.daemon.exit("nova-u1-net", 137)
    node.daemon.exit("nova-u1", 137)
    monkeypatch.setattr("time.time", lambda: 1000.9)
    asked = follow(node, monkeypatch, [ConnectionError("gone"), [], []])
    assert node.recovered == ["u1", "u1"]
    assert asked[0]["filters"]["label"] == [
        "org.openstack.nova.host=node-docker",
        "org.openstack.nova.role=instance",
    ]
    assert asked[0]["since"] == 1000, "none is lost between the answer and the daemon's collecting"


def test_reboot_between_the_start_and_the_first_events_is_seen(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(node, monkeypatch, [[]], meanwhile=lambda: node.daemon.exit("nova-u1", 129))
    assert node.daemon.calls == [("start", "nova-u1")]


def test_stop_before_the_first_events_is_novas(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.daemon.exit("nova-u1-net", 137)
    node.daemon.exit("nova-u1", 137)
    follow(node, monkeypatch, [[]])
    assert not node.recovered
    assert not node.daemon.calls


def add_second(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add u2 after u1, and let the daemon fail to report the state of u1."""
    for spec in (dataclasses.replace(SPEC, uuid="u0"), dataclasses.replace(SPEC, uuid="u2")):
        node.instances.create(spec, "sha256:i")
        node.instances.start_sandbox(spec.uuid)
        node.instances.start(spec.uuid)
    node.daemon.calls.clear()
    inspect = node.daemon.inspect_container

    def broken(name: str) -> Any:
        if name == "nova-u1":
            raise api_error(500, "input/output error")
        return inspect(name)

    monkeypatch.setattr(node.daemon, "inspect_container", broken)


def test_broken_instance_keeps_no_other_from_its_reboot(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_second(node, monkeypatch)
    for name in ("u0", "u2"):
        node.daemon.exit(f"nova-{name}", 129)
    node.watcher.restart_rebooted()
    assert node.daemon.calls == [("start", "nova-u0"), ("start", "nova-u2")]


def test_broken_instance_keeps_no_other_from_its_recovery_nor_events_from_being_read(
    node: Node, later: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_second(node, monkeypatch)
    for name in ("u0", "u2"):
        node.daemon.exit(f"nova-{name}", 137)
        node.daemon.exit(f"nova-{name}-net", 137)
    asked = follow(node, monkeypatch, [ConnectionError("gone"), [event("pause", "u2")]])
    assert len(asked) == 2
    assert node.recovered == ["u0", "u2"]
    assert node.reported == [("u2", Change.PAUSED)]
    assert later == [(events.RETRY_SECONDS, "u1", 0, events.ATTEMPTS - 1)]


def test_broken_instance_is_looked_at_again_and_then_given_up(
    node: Node, later: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_second(node, monkeypatch)
    node.watcher._try("u1")
    looks = 1
    while later:
        _, *arguments = later.pop()
        node.watcher._try(*arguments)
        looks += 1
    assert looks == events.ATTEMPTS


def test_stopped_watcher_acts_no_more(node: Node) -> None:
    node.daemon.events = lambda **arguments: iter([event("start")])  # type: ignore[attr-defined]
    node.daemon.exit("nova-u1", 129)
    node.watcher.stop()
    node.watcher._run()
    node.watcher._try("u1", 0)
    assert not node.reported
    assert not node.daemon.calls
