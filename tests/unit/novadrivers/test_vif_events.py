# SPDX-License-Identifier: Apache-2.0
"""Which events are waited for, and what happens if Neutron does not connect the ports."""

import contextlib
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import fakenova
import pytest
from test_docker_tables import VIF

EVENTS = [("network-vif-plugged", VIF["id"])]


class TimedOut(Exception):
    """Nova's InstanceEventTimeout, or eventlet's Timeout."""


class VirtApi:
    """Nova's VirtAPI: Neutron connects the ports, fails, or sends no event in time."""

    def __init__(self, outcome: str) -> None:
        self.outcome = outcome
        self.asked: tuple[Any, ...] = ()

    @contextlib.contextmanager
    def wait_for_instance_event(
        self, instance: Any, events: Any, timeout: int, failed: Any
    ) -> Iterator[None]:
        self.asked = (instance, events, timeout)
        yield
        if self.outcome == "late":
            raise TimedOut
        if self.outcome == "failed":
            failed(EVENTS[0], instance)


@pytest.fixture
def conf() -> SimpleNamespace:
    return SimpleNamespace(vif_plugging_timeout=300, vif_plugging_is_fatal=True)


@pytest.fixture(params=["eventlet", "threads"])
def vifevents(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, conf: SimpleNamespace
) -> Any:
    contents: dict[str, Any] = {"nova.conf": {"CONF": conf}}
    if request.param == "threads":
        exceptions = {**fakenova.EXCEPTION, "InstanceEventTimeout": TimedOut}
        contents["nova.exception"] = exceptions
    else:
        contents |= {"eventlet": {}, "eventlet.timeout": {"Timeout": TimedOut}}
    return fakenova.load(monkeypatch, "shared.vif_events", contents)


def test_ports_that_work_are_not_waited_for(vifevents: ModuleType, conf: SimpleNamespace) -> None:
    active = {**VIF, "active": True}
    unknown = {"id": "stale"}
    assert vifevents.plugged_events([VIF, active, unknown]) == EVENTS
    conf.vif_plugging_timeout = 0
    assert vifevents.plugged_events([VIF]) == []


def test_plugged_ports_are_waited_for_as_long_as_nova_says(vifevents: ModuleType) -> None:
    api = VirtApi("plugged")
    with vifevents.wait_after(api, "u1", EVENTS):
        pass
    assert api.asked == ("u1", EVENTS, 300)


@pytest.mark.parametrize("outcome", ["late", "failed"])
def test_an_unconnected_port_ends_the_build_where_that_is_fatal(
    vifevents: ModuleType, conf: SimpleNamespace, outcome: str
) -> None:
    error = fakenova.EXCEPTION["VirtualInterfaceCreateException"]
    with pytest.raises(error), vifevents.wait_after(VirtApi(outcome), "u1", EVENTS):
        pass
    conf.vif_plugging_is_fatal = False
    with vifevents.wait_after(VirtApi(outcome), "u1", EVENTS):
        pass


def test_what_the_body_raises_is_its_callers(vifevents: ModuleType) -> None:
    with pytest.raises(OSError, match="no"), vifevents.wait_after(VirtApi("plugged"), "u1", EVENTS):
        raise OSError("no")
