# SPDX-License-Identifier: Apache-2.0
"""A port that cannot be plugged leaves nothing, unless it was there before."""

from typing import Any

import fakenova
import pytest
from test_docker_tables import VIF

TAP, MAC = "tap362a8415-94", "fa:16:3e:aa:00:14"
STEPS = ("create", "os_vif.plug", "add_to_bridge", "configure")


class Port:
    """os-vif's object of a port on a Linux bridge."""

    bridge_name = "br-test"

    def obj_name(self) -> str:
        return "VIFBridge"

    def __contains__(self, field: str) -> bool:
        return False


class Machine:
    """Records what is done to the node; ``broken`` steps fail."""

    def __init__(self) -> None:
        self.there = False
        self.broken: set[str] = set()
        self.done: list[str] = []

    def step(self, name: str) -> Any:
        def act(*arguments: Any) -> None:
            self.done.append(name)
            if name in self.broken:
                raise OSError(f"{name} fails")

        return act


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def vifs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Any:
    links = {
        name: machine.step(name) for name in ("create", "add_to_bridge", "configure", "delete")
    }
    links["names_by_mac"] = lambda pid: {MAC: "eth0"} if machine.there else {}
    links["exists"] = lambda device: machine.there
    contents = {
        "novadrivers.docker.links": links,
        "nova.network": {},
        "nova.network.os_vif_util": {
            "nova_to_osvif_instance": lambda instance: instance,
            "nova_to_osvif_vif": lambda vif: Port(),
        },
        "os_vif": {
            "plug": machine.step("os_vif.plug"),
            "unplug": machine.step("os_vif.unplug"),
        },
    }
    return fakenova.load(monkeypatch, "docker.vifs", contents)


def test_port_is_plugged(vifs: Any, machine: Machine) -> None:
    vifs.plug("u1", VIF, 42, configure_ips=True)
    assert machine.done == list(STEPS)


def test_port_that_is_there_is_kept(vifs: Any, machine: Machine) -> None:
    machine.there = True
    vifs.plug("u1", VIF, 42, configure_ips=True)
    assert machine.done == list(STEPS[1:])


@pytest.mark.parametrize("broken", STEPS)
def test_failed_plug_is_taken_back(vifs: Any, machine: Machine, broken: str) -> None:
    machine.broken = {broken}
    with pytest.raises(OSError, match=f"{broken} fails"):
        vifs.plug("u1", VIF, 42, configure_ips=True)
    assert machine.done == [
        *STEPS[: STEPS.index(broken) + 1],
        "os_vif.unplug",
        "delete",
    ]


@pytest.mark.parametrize("broken", STEPS[1:])
def test_running_instance_keeps_its_port(vifs: Any, machine: Machine, broken: str) -> None:
    machine.there = True
    machine.broken = {broken}
    with pytest.raises(OSError, match=f"{broken} fails"):
        vifs.plug("u1", VIF, 42, configure_ips=True)
    assert machine.done[-1] == broken


def test_reason_of_the_failure_is_the_first_one(
    vifs: Any, machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    machine.broken = {"add_to_bridge", "os_vif.unplug", "delete"}
    with pytest.raises(OSError, match="add_to_bridge fails"):
        vifs.plug("u1", VIF, 42, configure_ips=True)
    assert machine.done[-2:] == ["os_vif.unplug", "delete"]
    assert caplog.text.count(f"Cannot unplug {TAP}") == 2
