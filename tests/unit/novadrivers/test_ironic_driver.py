# SPDX-License-Identifier: Apache-2.0
"""The ironic driver retries while Ironic is restarted, and undeploys after interrupted builds."""

from types import SimpleNamespace
from typing import Any

import fakenova
import pytest
from test_retry import Clock

from novadrivers.shared import retry


class ConnectFailure(Exception):
    """keystoneauth1.exceptions.ConnectFailure."""


class Ironic:
    """Refuses connections until it is up again."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def __call__(self, *arguments: Any) -> Any:
        if self.clock.now < 5:
            raise ConnectFailure("refused")
        return arguments


class NovaDriver:
    """nova.virt.ironic.driver.IronicDriver."""

    def __init__(self, virtapi: Any, read_only: bool) -> None:
        self.virtapi = virtapi
        self.calls: list[Any] = []
        self.connection: Any = None

    @property
    def ironic_connection(self) -> Any:
        return self.connection

    def init_host(self, host: str) -> None:
        self.calls.append(host)

    def instance_exists(self, instance: Any) -> bool:
        return True

    def destroy(self, context: Any, instance: Any, network_info: Any) -> None:
        self.calls.append((context, instance.uuid, network_info))


class OldNovaDriver(NovaDriver):
    """Older releases, such as Zed, use python-ironicclient, too."""

    ironic: Any

    def __init__(self, virtapi: Any, read_only: bool) -> None:
        super().__init__(virtapi, read_only)
        self.ironicclient = SimpleNamespace(call=self.ironic)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(retry, "time", fake)
    return fake


def instance(uuid: str, vm_state: str, task_state: str | None) -> Any:
    return SimpleNamespace(
        uuid=uuid, vm_state=vm_state, task_state=task_state, get_network_info=lambda: [uuid]
    )


INSTANCES = [
    instance("built", "building", "spawning"),
    instance("rebuilt", "active", "rebuild_spawning"),
    instance("up", "active", None),
]


def driver(monkeypatch: pytest.MonkeyPatch, base: type[NovaDriver]) -> Any:
    by_host = {"host": INSTANCES}
    contents: dict[str, Any] = {
        "keystoneauth1": {},
        "keystoneauth1.exceptions": {"ConnectFailure": ConnectFailure},
        "nova.context": {"get_admin_context": lambda: "admin"},
        "nova.objects": {
            "InstanceList": SimpleNamespace(get_by_host=lambda context, host: by_host[host])
        },
        "nova.compute": {},
        "nova.compute.vm_states": {"BUILDING": "building"},
        "nova.virt": {},
        "nova.virt.ironic": {},
        "nova.virt.ironic.driver": {"IronicDriver": base},
    }
    return fakenova.load(monkeypatch, "ironic.driver", contents).IronicDriver("virtapi")


def test_only_machines_of_new_servers_are_undeployed(monkeypatch: pytest.MonkeyPatch) -> None:
    one = driver(monkeypatch, NovaDriver)
    one.init_host("host")
    assert one.calls == ["host", ("admin", "built", ["built"])]


def test_the_client_of_old_novas_waits_for_ironic(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    OldNovaDriver.ironic = staticmethod(Ironic(clock).__call__)
    assert driver(monkeypatch, OldNovaDriver).ironicclient.call("node.get") == ("node.get",)
    assert clock.now >= 5


def test_the_sdk_waits_for_ironic(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    one = driver(monkeypatch, NovaDriver)
    ironic = Ironic(clock).__call__
    one.connection = SimpleNamespace(request=ironic)
    first = one.ironic_connection.request
    assert first("GET") == ("GET",)
    assert clock.now >= 5
    # It is wrapped once, however often Nova asks for the connection.
    assert one.ironic_connection.request is first
    assert first.__wrapped__ == ironic
