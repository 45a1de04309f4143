# SPDX-License-Identifier: Apache-2.0
"""What register-nodes decides to do, against an Ironic in memory and a Glance of one process."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))
sys.path.insert(0, str(Path(__file__).parent.parent / "imagebuild"))

import fakeglance
import loopback
import openstack.exceptions

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from setupcloud import available, baremetal, nodes
from setupcloud.available import Outcome
from setupcloud.baremetal import Boot

REDFISH: dict[str, Any] = {
    "name": "bm-0",
    "pm_type": "redfish",
    "pm_addr": "http://127.0.0.1:8801",
    "pm_system_id": "/redfish/v1/Systems/one",
    "pm_user": "admin",
    "pm_password": "very secret",
    "mac": ["52:54:00:AA:00:01"],
    "cpu": 2,
    "memory": 1024,
    "disk": 8,
    "arch": "x86_64",
    "capabilities": "boot_mode:bios",
}
# As TripleO wrote it: numbers in quotes, no name, the older word for the driver.
IPMI: dict[str, Any] = {
    "pm_type": "pxe_ipmitool",
    "pm_addr": "10.0.0.7",
    "pm_port": "6230",
    "pm_user": "root",
    "pm_password": "calvin",
    "mac": ["52:54:00:aa:00:02", "52:54:00:aa:00:03"],
    "cpu": "8",
    "memory": "16384",
    "disk": "100",
    "arch": "x86_64",
}
FAKE: dict[str, Any] = {"name": "f", "pm_type": "fake-hardware", "mac": ["52:54:00:aa:00:04"]}
BOOT = Boot("kernel-id", "ramdisk-id")


class Resource(SimpleNamespace):
    """A thing of the SDK: attributes, also as items."""

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)


class Ironic:
    """The part of the SDK's baremetal proxy that is used, with Ironic's own behaviour."""

    def __init__(self) -> None:
        self.all_nodes: dict[str, Resource] = {}
        self.all_ports: list[Resource] = []
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.refused: dict[str, BaseException] = {}
        """What a call raises."""

    def nodes(self, details: bool) -> Iterator[Resource]:
        return iter([self._shown(one) for one in self.all_nodes.values()])

    def ports(self, details: bool) -> Iterator[Resource]:
        return iter(self.all_ports)

    def get_node(self, node_id: str) -> Resource:
        return self._shown(self.all_nodes[node_id])

    def _shown(self, node: Resource) -> Resource:
        info = {k: "******" if "password" in k else v for k, v in node.driver_info.items()}
        return Resource(**{**vars(node), "driver_info": info})

    def create_node(self, **attributes: Any) -> Resource:
        self.calls.append(f"create_node {attributes.get('name')}")
        defaults = {
            **{f"{name}_interface": None for name in ("boot", "deploy", "power", "management")},
            "network_interface": "flat",
            "name": None,
            "provision_state": "enroll",
            "power_state": None,
            "instance_id": None,
            "allocation_id": None,
            "is_maintenance": False,
            "maintenance_reason": None,
            "fault": None,
            "is_retired": False,
            "last_error": None,
        }
        identity = f"n{len(self.all_nodes)}"
        node = Resource(id=identity, **{**defaults, **attributes})
        self.all_nodes[identity] = node
        return node

    def patch_node(self, node_id: str, patch: list[dict[str, Any]]) -> None:
        self.refuse(f"patch_node {' '.join(item['path'] for item in patch)}")
        node = vars(self.all_nodes[node_id])
        for item in patch:
            *parents, leaf = item["path"].strip("/").split("/")
            target = node
            for parent in parents:
                target = target[parent]
            target[leaf] = item["value"]

    def refuse(self, call: str) -> None:
        self.calls.append(call)
        if error := self.refused.get(call):
            raise error

    def delete_node(self, node_id: str) -> None:
        self.refuse(f"delete_node {node_id}")
        del self.all_nodes[node_id]
        self.all_ports = [one for one in self.all_ports if one.node_id != node_id]

    def unset_node_maintenance(self, node_id: str) -> None:
        self.refuse(f"unset_node_maintenance {node_id}")
        self.all_nodes[node_id].is_maintenance = False

    def create_port(self, **attributes: Any) -> None:
        self.refuse(f"create_port {attributes['address']}")
        self.all_ports.append(Resource(**attributes))

    def set_node_provision_state(self, node_id: str, verb: str) -> None:
        self.refuse(f"{verb} {node_id}")
        node = self.all_nodes[node_id]
        if node_id in self.broken:
            node.last_error = "cannot reach the controller"
            return
        reached = {"manage": "manageable", "provide": "available", "deleted": "available"}
        node.provision_state = reached[verb]
        if node.driver != "fake-hardware":
            node.power_state = "power off"

    def wait_for_nodes_provision_state(
        self, moving: list[str], state: str, timeout: float, fail: bool
    ) -> Resource:
        found = [self.get_node(one) for one in moving]
        right = [one for one in found if one.provision_state == state]
        wrong = [one for one in found if one.provision_state != state]
        return Resource(success=right, failure=wrong, timeout=[])

    def set_node_power_state(self, node_id: str, target: str) -> None:
        self.refuse(f"{target} {node_id}")
        self.all_nodes[node_id].power_state = target


@pytest.fixture
def ironic() -> Ironic:
    return Ironic()


def register(ironic: Ironic, *wanted: dict[str, Any], boot: Boot = BOOT) -> list[str]:
    """Bring the nodes about; return what was said of each."""
    said = []
    for change in baremetal.plan(ironic, wanted, boot):
        baremetal.apply(ironic, change)
        said.append(f"{change.kind} {change.label}")
    return said


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


def make_available(ironic: Ironic) -> dict[str, Outcome]:
    names = {node.id: str(node.name) for node in ironic.all_nodes.values()}
    return available.make_available(ironic, names, 10, Progress())


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


LOCKED = openstack.exceptions.ConflictException("Node n0 is locked by host x", http_status=409)


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


@pytest.fixture
def glance() -> Iterator[Any]:
    with fakeglance.serving() as fake:
        for name in (nodes.KERNEL, nodes.RAMDISK):
            fake.add(name=name)
        yield fake


@pytest.fixture
def command(ironic: Ironic, glance: Any, monkeypatch: pytest.MonkeyPatch) -> Ironic:
    @contextmanager
    def connected(name: str, service: str) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(baremetal=ironic, config=loopback.region(glance.url))

    monkeypatch.setattr(nodes, "connected", connected)
    return ironic


def run(tmp_path: Path, content: Any, *options: str) -> int:
    path = tmp_path / "nodes.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return nodes.main(["-n", str(path), "-q", *options])


def test_command(command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = {"nodes": [REDFISH, FAKE], "arch": "amd64"}
    assert run(tmp_path, wanted, "--dry-run") == 0
    assert command.calls == []
    assert run(tmp_path, wanted) == 0
    assert run(tmp_path, wanted) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        *["would create bm-0", "would create f"],
        *["created bm-0", "created f"],
        *["unchanged bm-0", "unchanged f"],
    ]
    assert "very secret" not in said.out + said.err
    assert [node.provision_state for node in command.all_nodes.values()] == ["available"] * 2
    boot = [node.driver_info.get("deploy_kernel") for node in command.all_nodes.values()]
    assert boot == ["0000-0", None]


def test_the_deploy_ramdisk_by_id(command: Ironic, tmp_path: Path) -> None:
    assert run(tmp_path, {"nodes": [REDFISH]}, "-k", "0000-0", "-d", "0000-1") == 0
    (node,) = command.all_nodes.values()
    assert node.driver_info["deploy_ramdisk"] == "0000-1"


def test_without_a_deploy_ramdisk(
    command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, {"nodes": [REDFISH]}, "-k", "a", "-d", "b") == 1
    assert "Glance has no image a and no image b" in capsys.readouterr().err
    assert run(tmp_path, {"nodes": [FAKE]}, "-k", "a", "-d", "b") == 0
    # Nor does a node with its own need the common one.
    own = REDFISH | {"kernel_id": "k", "ramdisk_id": "r"}
    assert run(tmp_path, {"nodes": [own]}, "-k", "a", "-d", "b") == 0


def test_several_deploy_ramdisks_of_one_name(
    command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str], glance: Any
) -> None:
    for name in (nodes.KERNEL, nodes.RAMDISK):
        glance.add(name=name)
    assert run(tmp_path, {"nodes": [REDFISH]}) == 1
    assert capsys.readouterr().err.splitlines() == [
        "error: several images are named bm-deploy-kernel: 0000-0, 0000-2; choose one by --kernel "
        "ID",
        "several images are named bm-deploy-ramdisk: 0000-1, 0000-3; choose one by --ramdisk ID",
        "hint: or delete those that are not meant: openstack image delete ID",
    ]
    assert command.calls == []


@pytest.mark.parametrize("timeout", ["0", "-5"])
def test_a_timeout_that_is_none(
    timeout: str, command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, {"nodes": [FAKE]}, f"--timeout={timeout}") == 2
    assert "is not a number of seconds above 0" in capsys.readouterr().err
    assert command.calls == []


def without(key: str) -> dict[str, Any]:
    return {word: value for word, value in REDFISH.items() if word != key}


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        ("{}", ["nodes file: 'nodes' is missing"]),
        ({"nodes": [REDFISH | {"pm_type": "ssh"}]}, ["pm_type: 'ssh' is unknown"]),
        # TripleO's for virtual machines; Ironic has no such driver any more.
        (
            {"nodes": [REDFISH | {"pm_type": "pxe_ssh", "pm_virt_type": "virsh"}]},
            [
                "pm_type: 'pxe_ssh' is unknown",
                "known: fake-hardware, ipmi, pxe_ipmitool, redfish",
                "unknown key 'pm_virt_type'",
            ],
        ),
        (
            {"nodes": [REDFISH | {"root_device": {"seriel": "1", "size": 0, "rotational": "no"}}]},
            [
                "unknown key 'seriel'",
                "did you mean 'serial'?",
                "size: 0 is less than 1",
                "rotational: 'no' is not true or false",
            ],
        ),
        ({"nodes": [REDFISH | {"root_device": {}}]}, ["root_device: it is empty"]),
        ({"nodes": [REDFISH | {"kernel_id": "k"}]}, ["'kernel_id' and 'ramdisk_id' go together"]),
        ({"nodes": [without("mac")]}, ["'mac' is missing"]),
        ({"nodes": [REDFISH | {"mac": ["x"]}]}, ["mac: 'x' is not an Ethernet address"]),
        (
            {"nodes": [without("pm_addr"), FAKE | {"memory": "much", "capabilities": "boot"}]},
            [
                "a node with pm_type redfish needs 'pm_addr'",
                "memory: 'much' is not a whole number above 0",
                "capabilities: 'boot' is not KEY:VALUE,KEY:VALUE",
            ],
        ),
        (
            {"nodes": [REDFISH, FAKE | {"name": "BM-0", "mac": ["52:54:00:aa:00:01"]}]},
            ["name: BM-0 is also in line 1", "mac: 52:54:00:aa:00:01 is also in line 1"],
        ),
    ],
)
def test_bad_files(
    content: Any,
    problems: list[str],
    command: Ironic,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path, content) == 2
    said = capsys.readouterr().err
    assert [problem for problem in problems if problem not in said] == []
    assert "very secret" not in said
    assert command.calls == []


def test_several_failures_have_their_reasons(
    command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command.broken = {"n0"}
    command.refused = {f"create_port {IPMI['mac'][0]}": LOCKED}
    assert run(tmp_path, {"nodes": [REDFISH, IPMI, FAKE]}) == 1
    said = capsys.readouterr()
    assert said.out.splitlines() == ["created bm-0", "created f"]
    assert said.err.splitlines()[:2] == [
        "error: bm-0: cannot reach the controller",
        "52:54:00:aa:00:02: Ironic answers: Node n0 is locked by host x (HTTP 409)",
    ]


def test_a_dry_run_says_what_differs(
    command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(command, REDFISH, FAKE)
    command.all_nodes["n1"].provision_state = "available"
    command.calls.clear()
    wanted = REDFISH | {"memory": 2048, "pm_password": "newer"}
    assert run(tmp_path, {"nodes": [wanted, FAKE]}, "--dry-run", "-k", "0000-0") == 0
    assert command.calls == []
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        "would update bm-0: driver_info deploy_kernel: kernel-id -> 0000-0, driver_info "
        "deploy_ramdisk: ramdisk-id -> 0000-1, properties memory_mb: 1024 -> 2048, driver_info "
        "redfish_password: another one",
        "unchanged f",
        "would make available bm-0: provision state: enroll -> available",
    ]
    assert "newer" not in said.out + said.err


def test_a_password_in_an_address_is_not_shown(
    command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(command, REDFISH)
    wanted = {"nodes": [REDFISH | {"pm_addr": "http://me:secretive@10.0.0.1/x"}]}
    assert run(tmp_path, wanted, "--dry-run") == 0
    assert run(tmp_path, wanted, "--dry-run", "--json") == 0
    said = capsys.readouterr()
    assert "http://127.0.0.1:8801 -> http://…@10.0.0.1/x" in said.out
    assert "secretive" not in said.out + said.err


def test_json(command: Ironic, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    register(command, REDFISH)
    command.all_nodes["n0"].provision_state = "active"
    wanted = REDFISH | {"name": "other", "pm_password": "newer"}
    options = ["-k", "0000-0", "-d", "0000-1"]
    command.all_nodes["n0"].driver_info |= {"deploy_kernel": "0000-0", "deploy_ramdisk": "0000-1"}
    assert run(tmp_path, {"nodes": [wanted, FAKE]}, "--json", *options) == 0
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "version": 1,
        "kind": "nodes",
        "dry_run": False,
        "nodes": [
            {
                "name": "other",
                "action": "update",
                "done": True,
                "id": "n0",
                "differences": [{"field": "driver_info redfish_password"}],
                "provision_state": "active",
                "power_state": None,
                "left_alone": "is active",
                "held": [{"field": "name", "old": "bm-0", "new": "other"}],
            },
            {
                "name": "f",
                "action": "create",
                "done": True,
                "id": "n1",
                "differences": [],
                "provision_state": "available",
                "power_state": "power off",
                "left_alone": None,
                "held": [],
            },
        ],
    }
    assert "newer" not in said.out + said.err


def test_no_file(tmp_path: Path) -> None:
    assert nodes.main(["-n", str(tmp_path / "nowhere.json")]) == 2
