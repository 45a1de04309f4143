# SPDX-License-Identifier: Apache-2.0
"""The forms of nodes.json that TripleO had, and what is said of what cannot be used."""

import json
from pathlib import Path
from typing import Any

import pytest

from altostratus.errors import InputError
from setupcloud import baremetal, nodes
from setupcloud.baremetal import Boot

MAC = "52:54:00:87:c8:2f"
PLAIN: dict[str, Any] = {
    "name": "h1",
    "pm_type": "ipmi",
    "pm_user": "admin",
    "pm_password": "secretive",
    "pm_addr": "10.0.0.7",
}
NODE = {**PLAIN, "mac": [MAC]}


def read(folder: Path, content: Any, name: str = "nodes.json") -> list[dict[str, Any]]:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return nodes.read(path)


def problems(folder: Path, content: Any, name: str = "nodes.json") -> str:
    with pytest.raises(InputError) as caught:
        read(folder, content, name)
    assert "secretive" not in caught.value.message
    return caught.value.message.replace(f"{folder}/", "")


@pytest.mark.parametrize(
    "content",
    [
        {"nodes": [NODE]},
        [NODE],
        {"nodes": {"h1": {key: value for key, value in NODE.items() if key != "name"}}},
        {"nodes": {"any": NODE}},
        {"nodes": [PLAIN | {"mac": MAC}]},
        {"nodes": [NODE | {"_comment": "in rack 7", "pm_port": None, "cpu": "", "disk": None}]},
        {"nodes": [NODE | {"capabilities": "", "name": "h1", "root_device": None}], "arch": "x"},
    ],
)
def test_forms_of_one_node(content: Any, tmp_path: Path) -> None:
    assert read(tmp_path, content) == [NODE]
    # As YAML, too, of which JSON is a part.
    assert read(tmp_path, content, "nodes.yaml") == [NODE]
    # What was read can be read again.
    assert read(tmp_path, {"nodes": read(tmp_path, content)}) == [NODE]


@pytest.mark.parametrize(
    ("ports", "networks"),
    [
        ([{"address": MAC, "physical_network": "dc"}], ["dc"]),
        ([{"address": MAC}, {"address": "52:54:00:AA:00:01", "physical_network": "x"}], ["p", "x"]),
        ([MAC], ["p"]),
    ],
)
def test_ports(ports: list[Any], networks: list[str], tmp_path: Path) -> None:
    content = [PLAIN | {"ports": ports, "physical_network": "p"}]
    (node,) = read(tmp_path, content)
    change = _change(node)
    assert [port["physical_network"] for port in change.ports] == networks
    assert change.ports[0]["address"] == MAC
    (again,) = read(tmp_path, [node])
    assert _change(again).ports == tuple(dict(port) for port in change.ports)


def _change(node: dict[str, Any]) -> baremetal.Change:
    class Nothing:
        def nodes(self, details: bool) -> list[Any]:
            return []

        ports = nodes

    (change,) = baremetal.plan(Nothing(), [node], Boot("k", "r"))
    return change


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            {"boot_mode": "uefi", "profile": "compute", "iscsi": True},
            "boot_mode:uefi,profile:compute",
        ),
        (["boot_mode:uefi", "a:b"], "boot_mode:uefi,a:b"),
    ],
)
def test_capabilities(given: Any, wanted: str, tmp_path: Path) -> None:
    (node,) = read(tmp_path, [NODE | {"capabilities": given}])
    assert node["capabilities"].startswith(wanted)
    assert node["capabilities"].removeprefix(wanted) in ("", ",iscsi:true")


def test_what_tripleo_writes_otherwise(tmp_path: Path) -> None:
    redfish = PLAIN | {"pm_type": "redfish", "pm_addr": "172.16.0.1:8000", "pm_port": "8000"}
    redfish |= {"redfish_verify_ca": "false", "pm_system_id": "/redfish/v1/Systems/5678"}
    (first, second) = read(
        tmp_path,
        [NODE | {"pm_port": "0623"}, redfish | {"name": "h2", "mac": ["aa:bb:cc:dd:ee:ff"]}],
    )
    assert first["pm_port"] == "623"
    assert second["pm_verify_ca"] is False
    assert _change(second).attributes["driver_info"]["redfish_address"] == "172.16.0.1:8000"


def test_a_surrogate_pair(tmp_path: Path) -> None:
    text = json.dumps([NODE | {"pm_password": "p\N{GRINNING FACE}w"}])
    assert "\\ud83d\\ude00" in text
    (node,) = read(tmp_path, text)
    assert node["pm_password"] == "p\N{GRINNING FACE}w"  # noqa: S105
    _change(node)
    assert "half of a surrogate pair" in problems(tmp_path, text.replace("\\ude00", ""))
    # YAML has none.
    said = problems(tmp_path, text, "nodes.yaml")
    assert "write the character itself, or name the file .json" in said


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[1]", ["nodes: 1 is not a mapping"]),
        ('{"nodes": 1}', ["nodes: 1 is not a list"]),
        ('{"nodes": {"a": 1}}', ["nodes: 1 is not a mapping"]),
        ("", ["the file is empty"]),
        (json.dumps([PLAIN]), ["'mac' is missing"]),
        (
            json.dumps([PLAIN | {"ports": [{"address": "x", "pxe_enabled": True}]}]),
            ["address: 'x' is not an Ethernet", "openstack baremetal port set", "2 problems"],
        ),
        (json.dumps([PLAIN | {"ports": [{}]}]), ["'address' is missing", "1 problem "]),
        (json.dumps([PLAIN | {"ports": 5}]), ["ports: 5 is not a list", "1 problem "]),
        (json.dumps([PLAIN | {"ports": [5]}]), ["ports: 5 is not a mapping", "1 problem "]),
        (
            json.dumps([NODE | {"disk": 558.5, "memory": "16 GB", "pm_port": 65536}]),
            ["disk: 558.5 is not a whole", "memory: '16 GB' is not", "65536 is more", "3 problems"],
        ),
        (
            json.dumps([NODE | {"pm_type": "staging-ovirt", "pm_vm_name": "x"}]),
            ["pm_type: 'staging-ovirt' is unknown", "oVirt is not supported", "2 problems"],
        ),
        (json.dumps([NODE | {"ipmi_bridging": "single"}]), ["baremetal node set --driver-info"]),
        (json.dumps([NODE | {"boot_interface": "pxe"}]), ["it follows from 'pm_type'"]),
        (json.dumps([NODE | {"uuid": "x"}]), ["nodes are identified by 'mac' or 'name'"]),
        (json.dumps([NODE | {"pm_system_id": "/x"}]), ["pm_system_id: has no effect with pm_type"]),
        (
            json.dumps([NODE | {"pm_type": "redfish", "pm_port": 8000}]),
            ["pm_port: has no effect with pm_type redfish", "write it into 'pm_addr'"],
        ),
        (
            json.dumps([NODE | {"pm_password": 20240117}]),
            ["pm_password: the value is not a string"],
        ),
        (
            json.dumps([NODE | {"name": "h 1"}]),
            ["name: 'h 1' is not a name of letters, digits and"],
        ),
        (
            json.dumps([NODE | {"pm_password": ""}]),
            ["a node with pm_type ipmi needs 'pm_password'"],
        ),
        (
            json.dumps([NODE, NODE | {"name": "H1"}]),
            ["name: H1 is also", "mac: 52:54:00:87:c8:2f is"],
        ),
    ],
)
def test_what_cannot_be_used(content: str, said: list[str], tmp_path: Path) -> None:
    message = problems(tmp_path, content)
    assert [part for part in said if part not in message] == []
    assert "20240117" not in message
    assert "nodes.json:" in message
