# SPDX-License-Identifier: Apache-2.0
"""What register-nodes decides to do, against an Ironic in memory."""

from typing import Any

import pytest
from memoryironic import BOOT, FAKE, IPMI, LOCKED, REDFISH, Ironic, make_available, register

from altostratus.errors import AltostratusError
from setupcloud import baremetal
from setupcloud.baremetal import Boot


def test_nodes_are_created(ironic: Ironic) -> None:
    assert register(ironic, REDFISH, IPMI, FAKE) == [
        "created bm-0",
        "created 52:54:00:aa:00:02",
        "created f",
    ]
    redfish, ipmi, fake = ironic.all_nodes.values()
    assert redfish.driver_info == {
        "redfish_address": "http://127.0.0.1:8801",
        "redfish_username": "admin",
        "redfish_password": "very secret",
        "redfish_system_id": "/redfish/v1/Systems/one",
        "deploy_kernel": "kernel-id",
        "deploy_ramdisk": "ramdisk-id",
    }
    assert redfish.properties == {
        "cpus": 2,
        "memory_mb": 1024,
        "local_gb": 8,
        "cpu_arch": "x86_64",
        "capabilities": "boot_mode:bios",
    }
    assert (redfish.boot_interface, redfish.deploy_interface) == ("redfish-virtual-media", "direct")
    assert (ipmi.driver, ipmi.name, ipmi.properties["memory_mb"]) == ("ipmi", None, 16384)
    assert (ipmi.driver_info["ipmi_address"], ipmi.driver_info["ipmi_port"]) == ("10.0.0.7", "6230")
    assert (fake.network_interface, fake.driver_info) == ("noop", {})
    # Nova compares the architecture of images with it.
    assert fake.properties == {"cpu_arch": "x86_64"}
    assert [port.address for port in ironic.all_ports] == [
        f"52:54:00:aa:00:0{number}" for number in (1, 2, 3, 4)
    ]
    assert ironic.all_ports[0].physical_network == "ctlplane"


def test_a_second_run_changes_nothing(ironic: Ironic) -> None:
    register(ironic, REDFISH, IPMI, FAKE)
    ironic.calls.clear()
    said = register(ironic, REDFISH, IPMI, FAKE)
    assert said == ["unchanged bm-0", "unchanged 52:54:00:aa:00:02", "unchanged f"]
    assert ironic.calls == []


def test_no_password_is_where_ironic_shows_it(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    shown = vars(ironic.get_node("n0"))
    assert "very secret" not in repr(shown)


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        ({"pm_addr": "http://10.0.0.1"}, "/driver_info/redfish_address"),
        ({"memory": 2048}, "/properties/memory_mb"),
        ({"name": "other"}, "/name"),
        ({"resource_class": "gold"}, "/resource_class"),
        ({"pm_password": "new"}, "/driver_info/redfish_password /extra/register-nodes"),
    ],
)
def test_differences_are_updated(ironic: Ironic, change: dict[str, Any], paths: str) -> None:
    register(ironic, REDFISH)
    ironic.calls.clear()
    wanted = REDFISH | change
    assert register(ironic, wanted) == [f"updated {wanted['name']}"]
    assert ironic.calls == [f"patch_node {paths}"]
    assert register(ironic, wanted) == [f"unchanged {wanted['name']}"]


def test_another_deploy_ramdisk_is_taken(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    assert register(ironic, REDFISH, boot=Boot("kernel-id", "new-id")) == ["updated bm-0"]
    assert ironic.all_nodes["n0"].driver_info["deploy_ramdisk"] == "new-id"


def test_a_node_with_a_deploy_ramdisk_of_its_own(ironic: Ironic) -> None:
    own = REDFISH | {"kernel_id": "own-kernel", "ramdisk_id": "http://10.0.0.1/own"}
    register(ironic, own, IPMI)
    assert [
        (node.driver_info["deploy_kernel"], node.driver_info["deploy_ramdisk"])
        for node in ironic.all_nodes.values()
    ] == [("own-kernel", "http://10.0.0.1/own"), ("kernel-id", "ramdisk-id")]
    assert register(ironic, own) == ["unchanged bm-0"]
    assert register(ironic, REDFISH) == ["updated bm-0"]
    assert ironic.all_nodes["n0"].driver_info["deploy_kernel"] == "kernel-id"


def test_the_disk_to_deploy_to(ironic: Ironic) -> None:
    hints = {"size": ">= 100", "rotational": False}
    register(ironic, REDFISH | {"root_device": hints})
    assert ironic.all_nodes["n0"].properties["root_device"] == hints
    # In another order they are the same.
    same = {"root_device": dict(reversed(hints.items()))}
    assert register(ironic, REDFISH | same) == ["unchanged bm-0"]
    ironic.calls.clear()
    assert register(ironic, REDFISH | {"root_device": {"serial": "1"}}) == ["updated bm-0"]
    assert ironic.calls == ["patch_node /properties/root_device"]
    assert ironic.all_nodes["n0"].properties["root_device"] == {"serial": "1"}


def test_what_others_set_stays(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    ironic.all_nodes["n0"].properties["root_device"] = {"name": "/dev/vda"}
    register(ironic, REDFISH | {"memory": 2048})
    assert ironic.all_nodes["n0"].properties["root_device"] == {"name": "/dev/vda"}


def test_a_further_interface_is_added(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    ironic.calls.clear()
    both = REDFISH | {"mac": [*REDFISH["mac"], "52:54:00:aa:00:09"]}
    assert register(ironic, both) == ["updated bm-0"]
    assert ironic.calls == ["create_port 52:54:00:aa:00:09"]


def test_contradictions_are_told_together(ironic: Ironic) -> None:
    register(ironic, REDFISH, FAKE)
    ironic.calls.clear()
    mixed = FAKE | {"mac": REDFISH["mac"]}
    with pytest.raises(AltostratusError, match="f: its name and addresses are those of bm-0, f"):
        register(ironic, IPMI, mixed)
    assert ironic.calls == []


def test_nodes_become_available(ironic: Ironic) -> None:
    register(ironic, REDFISH, FAKE)
    ironic.all_nodes["n0"].provision_state = "manageable"
    make_available(ironic)
    assert [node.provision_state for node in ironic.all_nodes.values()] == ["available"] * 2
    # A node whose power state is unknown gets no server.
    assert [node.power_state for node in ironic.all_nodes.values()] == ["power off"] * 2
    ironic.calls.clear()
    make_available(ironic)
    assert ironic.calls == []


def test_a_node_whose_delete_was_interrupted_is_available_again(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    ironic.all_nodes["n0"].provision_state = "error"
    ironic.calls.clear()
    make_available(ironic)
    assert ironic.calls == ["deleted n0"]
    assert ironic.all_nodes["n0"].provision_state == "available"


@pytest.mark.parametrize("state", ["active", "error"])
def test_a_node_with_a_server_is_left_alone(ironic: Ironic, state: str) -> None:
    register(ironic, REDFISH)
    ironic.all_nodes["n0"].provision_state = state
    ironic.all_nodes["n0"].instance_id = "a server"
    ironic.all_nodes["n0"].power_state = "power on"
    ironic.calls.clear()
    make_available(ironic)
    assert ironic.calls == []


@pytest.mark.parametrize(
    ("state", "server"), [("active", "s"), ("available", "s"), ("available", None), ("rescue", "s")]
)
def test_a_machine_whose_power_state_ironic_lost_stays_on(
    ironic: Ironic, state: str, server: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only what this run made available is switched off."""
    register(ironic, REDFISH)
    vars(ironic.all_nodes["n0"]).update(provision_state=state, instance_id=server)
    ironic.calls.clear()
    make_available(ironic)
    assert ironic.calls == []
    said = capsys.readouterr().err
    left = "bm-0 has the server s: it is left alone"
    assert (left if server else "openstack baremetal node power off bm-0") in said


BUSY = [
    *[{"provision_state": state} for state in ("cleaning", "clean wait", "deploying")],
    *[{"provision_state": state} for state in ("wait call-back", "deleting", "inspecting")],
    *[{"provision_state": state} for state in ("verifying", "active", "deploy failed", "adopting")],
    *[{"provision_state": "manageable", "instance_id": "s"}],
    *[{"provision_state": "manageable", "allocation_id": "a"}],
]


@pytest.mark.parametrize(
    "state",
    [
        *BUSY,
        {"provision_state": "manageable", "is_maintenance": True, "maintenance_reason": "fan"},
        {"provision_state": "clean failed", "is_maintenance": True},
        {"provision_state": "manageable", "is_retired": True},
    ],
    ids=lambda state: " ".join(map(str, state.values())),
)
def test_what_others_work_with_is_left_alone(
    ironic: Ironic, state: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    register(ironic, REDFISH, FAKE)
    vars(ironic.all_nodes["n0"]).update(state)
    ironic.calls.clear()
    make_available(ironic)
    assert [call for call in ironic.calls if call.endswith("n0")] == []
    assert ironic.all_nodes["n0"].power_state is None
    assert ironic.all_nodes["n1"].provision_state == "available"
    said = capsys.readouterr().err
    assert "bm-0 " in said and ": it is left alone" in said
    assert state.get("maintenance_reason", "") in said


def test_a_node_that_ironic_failed_to_clean_leaves_maintenance(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    state = {"provision_state": "clean failed", "is_maintenance": True, "fault": "clean failure"}
    vars(ironic.all_nodes["n0"]).update(state)
    ironic.calls.clear()
    make_available(ironic)
    assert ironic.calls == ["manage n0", "unset_node_maintenance n0", "provide n0"]
    assert ironic.all_nodes["n0"].is_maintenance is False


@pytest.mark.parametrize("call", ["manage n0", "provide n0", "power off n0"])
def test_a_locked_node_has_its_reason_and_stops_no_other(ironic: Ironic, call: str) -> None:
    register(ironic, FAKE, IPMI)
    ironic.refused = {call: LOCKED}
    first, second = make_available(ironic).values()
    assert first.failure == "Ironic answers: Node n0 is locked by host x (HTTP 409)"
    assert (second.failure, second.provision_state) == (None, "available")


@pytest.mark.parametrize("state", BUSY, ids=lambda state: " ".join(map(str, state.values())))
def test_a_node_in_use_is_not_changed_under_its_user(ironic: Ironic, state: dict[str, Any]) -> None:
    register(ironic, REDFISH)
    vars(ironic.all_nodes["n0"]).update(state)
    ironic.calls.clear()
    wanted = REDFISH | {"pm_user": "new", "pm_password": "newer", "memory": 4096, "name": "other"}
    wanted |= {"mac": [*REDFISH["mac"], "52:54:00:aa:00:09"], "resource_class": "gold"}
    (change,) = baremetal.plan(ironic, [wanted], BOOT)
    baremetal.apply(ironic, change)
    held = {one.field for one in change.held}
    assert {"name", "resource_class", "properties memory_mb", "port"} <= held
    if state["provision_state"] in ("active", "manageable", "deploy failed"):
        # Ironic has to reach the machine.
        paths = "/driver_info/redfish_username /driver_info/redfish_password /extra/register-nodes"
        assert ironic.calls == [f"patch_node {paths}"]
    else:
        assert ironic.calls == []
        assert {"driver_info redfish_username", "driver_info redfish_password"} <= held
    assert "newer" not in "".join(map(str, (*change.held, *change.differences)))


def test_another_driver_waits_until_the_node_is_free(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    ironic.all_nodes["n0"].provision_state = "active"
    ironic.calls.clear()
    (change,) = baremetal.plan(ironic, [IPMI | {"mac": REDFISH["mac"]}], BOOT)
    baremetal.apply(ironic, change)
    assert change.kind == "unchanged" and change.held
    assert ironic.calls == []


def test_a_name_is_not_enough_for_a_node_in_use(ironic: Ironic) -> None:
    register(ironic, REDFISH)
    other = REDFISH | {"mac": ["52:54:00:aa:00:0f"]}
    (change,) = baremetal.plan(ironic, [other], BOOT)
    assert change.kind == "updated"
    ironic.all_nodes["n0"].instance_id = "s"
    what = r"bm-0: Ironic's node of this name \(n0\) has the server s and has other addresses: 52"
    with pytest.raises(AltostratusError, match=what):
        baremetal.plan(ironic, [other], BOOT)


@pytest.mark.parametrize("error", [LOCKED, KeyboardInterrupt()])
def test_a_half_made_node_is_deleted(ironic: Ironic, error: BaseException) -> None:
    ironic.refused = {"create_port 52:54:00:aa:00:03": error}
    with pytest.raises((AltostratusError, KeyboardInterrupt)):
        register(ironic, IPMI)
    assert ironic.calls[-1] == "delete_node n0"
    assert ironic.all_nodes == {} and ironic.all_ports == []


def test_failures_are_told_together_and_stop_no_other(ironic: Ironic) -> None:
    register(ironic, REDFISH, IPMI | {"name": "bm-1"}, FAKE)
    ironic.broken = {"n0", "n1"}
    outcomes = make_available(ironic)
    assert [one.failure for one in outcomes.values()] == [
        *["cannot reach the controller"] * 2,
        None,
    ]
    assert ironic.all_nodes["n2"].provision_state == "available"
