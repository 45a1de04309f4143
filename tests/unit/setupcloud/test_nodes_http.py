# SPDX-License-Identifier: Apache-2.0
"""register-nodes with the real openstacksdk, over HTTP, against an Ironic of one process."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fakeironic
from fakeironic import FakeIronic
from loopback import Answer

from setupcloud import nodes

MAC = "52:54:00:aa:00:04"
NODE: dict[str, Any] = {"name": "bm-0", "pm_type": "fake-hardware", "mac": [MAC]}


@pytest.fixture
def ironic(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeIronic]:
    for name in [name for name in os.environ if name.startswith("OS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with fakeironic.serving() as fake:
        monkeypatch.setenv("OS_AUTH_TYPE", "none")
        monkeypatch.setenv("OS_ENDPOINT", fake.url)
        yield fake


def run(*wanted: dict[str, Any], options: tuple[str, ...] = ()) -> int:
    path = Path("nodes.json")
    path.write_text(json.dumps(wanted))
    return nodes.main(["-n", str(path), *options])


def test_a_node_is_made_and_available(
    ironic: FakeIronic, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(NODE) == 0
    assert ironic.calls == [
        *("POST nodes", "POST ports"),
        *("PUT nodes/n0/states/provision", "PUT nodes/n0/states/provision"),
        "PUT nodes/n0/states/power",
    ]
    (node,) = ironic.nodes
    assert (node["provision_state"], node["power_state"]) == ("available", "power off")
    ironic.calls.clear()
    assert run(NODE) == 0
    assert ironic.calls == []
    assert capsys.readouterr().out.splitlines() == ["created bm-0", "unchanged bm-0"]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"provision_state": "active", "instance_uuid": "s1"}, "bm-0 has the server s1"),
        ({"instance_uuid": "s1"}, "bm-0 has the server s1"),
        ({"allocation_uuid": "a1"}, "bm-0 is allocated (a1)"),
        ({"provision_state": "wait call-back"}, "bm-0 is wait call-back"),
        (
            {"provision_state": "manageable", "maintenance": True, "maintenance_reason": "fan"},
            "bm-0 is in maintenance (fan)",
        ),
        ({"provision_state": "manageable", "retired": True}, "bm-0 is retired"),
        ({}, "openstack baremetal node power off bm-0"),
    ],
)
def test_a_node_in_use_is_left_alone(
    values: dict[str, Any],
    said: str,
    ironic: FakeIronic,
    capsys: pytest.CaptureFixture[str],
) -> None:
    ironic.node(name="bm-0", **values)
    ironic.ports.append({"uuid": "p", "address": MAC, "node_uuid": "n0"})
    assert run(NODE) == 0
    assert ironic.calls == []
    assert said in capsys.readouterr().err


def test_a_half_made_node_is_deleted(
    ironic: FakeIronic, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = {"error_message": json.dumps({"faultstring": "A port with this MAC exists"})}
    ironic.refuse = {"POST ports": Answer(400, fault)}
    assert run(NODE) == 1
    assert ironic.calls == ["POST nodes", "POST ports", "DELETE nodes/n0"]
    assert (
        "error: Ironic answers: A port with this MAC exists (HTTP 400)" in capsys.readouterr().err
    )


def test_a_node_that_ironic_failed_to_clean(ironic: FakeIronic) -> None:
    ironic.node(
        name="bm-0", provision_state="clean failed", maintenance=True, fault="clean failure"
    )
    ironic.ports.append({"uuid": "p", "address": MAC, "node_uuid": "n0"})
    assert run(NODE, options=("-q",)) == 0
    assert ironic.calls[:3] == [
        *("PUT nodes/n0/states/provision", "DELETE nodes/n0/maintenance"),
        "PUT nodes/n0/states/provision",
    ]


def test_what_differs_is_patched(ironic: FakeIronic, capsys: pytest.CaptureFixture[str]) -> None:
    ironic.node(name="bm-0", power_state="power off")
    ironic.ports.append({"uuid": "p", "address": MAC, "node_uuid": "n0"})
    wanted = NODE | {"memory": 2048, "resource_class": "gold"}
    assert run(wanted, options=("--dry-run",)) == 0
    assert ironic.calls == []
    assert run(wanted) == 0
    assert ironic.nodes[0]["properties"]["memory_mb"] == 2048
    assert capsys.readouterr().out.splitlines() == [
        "would update bm-0: resource_class: baremetal -> gold, properties memory_mb: none -> 2048",
        "updated bm-0",
    ]
