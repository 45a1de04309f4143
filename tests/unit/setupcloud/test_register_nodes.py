# SPDX-License-Identifier: Apache-2.0
"""The command register-nodes, against an Ironic in memory and a Glance of one process."""

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
from memoryironic import FAKE, IPMI, LOCKED, REDFISH, Ironic, register

from setupcloud import nodes


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
