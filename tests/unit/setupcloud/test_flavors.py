# SPDX-License-Identifier: Apache-2.0
"""What setup-flavors does, with the real client, against a Nova of one process."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))

import fakecompute
from fakecompute import FakeCompute
from loopback import Answer

from setupcloud import flavors

SMALL = {"name": "overcloud-memcached", "ram": 512, "vcpus": 1, "disk": 4}
METAL = {
    "name": "overcloud-compute",
    "ram": 1024,
    "vcpus": 1,
    "disk": 4,
    "extra_specs": {"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0"},
}


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeCompute]:
    with fakecompute.serving() as fake:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OS_AUTH_TYPE", "none")
        monkeypatch.setenv("OS_ENDPOINT", fake.url)
        monkeypatch.delenv("OS_CLOUD", raising=False)
        yield fake


def known(compute: FakeCompute) -> list[dict[str, Any]]:
    """Return the flavors as flavors.json has them; without extra specs that key is missing."""
    return [{key: one[key] for key in METAL if one[key] != {}} for one in compute.flavors]


def run(folder: Path, *wanted: dict[str, Any], dry: bool = False) -> int:
    path = folder / "flavors.json"
    path.write_text(json.dumps({"flavors": wanted}))
    return flavors.main(["-f", str(path), *(["--dry-run"] if dry else [])])


def test_flavors_are_made_once(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, SMALL, METAL, dry=True) == 0
    assert compute.calls == []
    assert run(tmp_path, SMALL, METAL) == 0
    made = ["POST flavors", "POST flavors", "POST flavors f2 os-extra_specs"]
    assert compute.calls == made
    assert known(compute) == [SMALL, METAL]
    assert run(tmp_path, SMALL, METAL) == 0
    assert compute.calls == made
    assert capsys.readouterr().out.splitlines() == [
        *["created overcloud-memcached", "created overcloud-compute"] * 2,
        *["unchanged overcloud-memcached", "unchanged overcloud-compute"],
    ]


@pytest.mark.parametrize(
    "change", [{"ram": 2048}, {"vcpus": 2}, {"disk": 8}, {"extra_specs": {"hw:x": "y"}}]
)
def test_a_flavor_that_differs_is_replaced(
    change: dict[str, Any], compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL)
    assert run(tmp_path, METAL | change) == 0
    assert known(compute) == [METAL | change]
    assert capsys.readouterr().out.splitlines()[-1] == "replaced overcloud-compute"


def test_a_flavor_loses_its_properties(compute: FakeCompute, tmp_path: Path) -> None:
    run(tmp_path, METAL)
    plain = {key: value for key, value in METAL.items() if key != "extra_specs"}
    assert run(tmp_path, plain) == 0
    assert known(compute) == [plain]


def test_other_flavors_stay(compute: FakeCompute, tmp_path: Path) -> None:
    run(tmp_path, SMALL)
    run(tmp_path, METAL)
    assert [one["name"] for one in compute.flavors] == [SMALL["name"], METAL["name"]]


@pytest.mark.parametrize(
    ("flavor", "message"),
    [
        ({"ram": 0}, "ram: 0 is less than 1"),
        ({"vcpus": "1"}, "vcpus: '1' is not a whole number"),
        ({"extra_specs": {"a": 1}}, "a: 1 is not a string"),
        ({"memory": 5}, "unknown key 'memory'"),
        ({"name": SMALL["name"]}, "name: overcloud-memcached is also in line"),
    ],
)
def test_bad_files_are_refused(
    flavor: dict[str, Any],
    message: str,
    compute: FakeCompute,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path, SMALL, METAL | flavor) == 2
    assert message in capsys.readouterr().err
    assert compute.calls == []


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flavors.main(["-f", str(tmp_path / "nowhere.json")]) == 2
    assert "generate-stacks writes flavors.json" in capsys.readouterr().err


def test_what_nova_refuses(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compute.refusal = Answer(403, {"forbidden": {"code": 403, "message": "Policy says no."}})
    assert run(tmp_path, SMALL) == 1
    said = capsys.readouterr().err
    assert "error: Nova answers: Policy says no. (HTTP 403)\nhint: " in said
