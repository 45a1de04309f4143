# SPDX-License-Identifier: Apache-2.0
"""What setup-flavors decides to do, against flavors in memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from setupcloud import flavors

SMALL = {"name": "overcloud-memcached", "ram": 512, "vcpus": 1, "disk": 4}
METAL = {
    "name": "overcloud-compute",
    "ram": 1024,
    "vcpus": 1,
    "disk": 4,
    "extra_specs": {"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0"},
}


class Compute:
    """The part of the SDK's compute proxy that is used; its flavors have items, as the SDK's."""

    def __init__(self) -> None:
        self.known: list[Any] = []
        self.calls: list[str] = []

    def flavors(self, get_extra_specs: bool) -> Iterator[Any]:
        assert get_extra_specs
        return iter(list(self.known))

    def create_flavor(self, **size: Any) -> Any:
        self.calls.append(f"create {size['name']}")
        self.known.append(Flavor(size))
        return self.known[-1]

    def create_flavor_extra_specs(self, flavor: Any, extra_specs: dict[str, str]) -> None:
        self.calls.append(f"specs {flavor.name}")
        flavor["extra_specs"] = dict(extra_specs)

    def delete_flavor(self, flavor: Any) -> None:
        self.calls.append(f"delete {flavor.name}")
        self.known.remove(flavor)


class Flavor(dict[str, Any]):
    @property
    def name(self) -> Any:
        return self["name"]


@pytest.fixture
def compute(monkeypatch: pytest.MonkeyPatch) -> Compute:
    found = Compute()

    @contextmanager
    def connected(command: str, service: str) -> Iterator[SimpleNamespace]:
        assert (command, service) == ("setup-flavors", "Nova")
        yield SimpleNamespace(compute=found)

    monkeypatch.setattr(flavors, "connected", connected)
    return found


def run(folder: Path, *wanted: dict[str, Any], dry: bool = False) -> int:
    path = folder / "flavors.json"
    path.write_text(json.dumps({"flavors": wanted}))
    return flavors.main(["-f", str(path), *(["--dry-run"] if dry else [])])


def test_flavors_are_made_once(
    compute: Compute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, SMALL, METAL, dry=True) == 0
    assert compute.calls == []
    assert run(tmp_path, SMALL, METAL) == 0
    made = ["create overcloud-memcached", "create overcloud-compute", "specs overcloud-compute"]
    assert compute.calls == made
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
    change: dict[str, Any], compute: Compute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL)
    assert run(tmp_path, METAL | change) == 0
    assert [dict(one) for one in compute.known] == [METAL | change]
    assert capsys.readouterr().out.splitlines()[-1] == "replaced overcloud-compute"


def test_a_flavor_loses_its_properties(compute: Compute, tmp_path: Path) -> None:
    run(tmp_path, METAL)
    plain = {key: value for key, value in METAL.items() if key != "extra_specs"}
    assert run(tmp_path, plain) == 0
    assert [dict(one) for one in compute.known] == [plain]


def test_other_flavors_stay(compute: Compute, tmp_path: Path) -> None:
    run(tmp_path, SMALL)
    run(tmp_path, METAL)
    assert [one.name for one in compute.known] == [SMALL["name"], METAL["name"]]


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
    compute: Compute,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path, SMALL, METAL | flavor) == 2
    assert message in capsys.readouterr().err
    assert compute.calls == []


def test_no_such_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert flavors.main(["-f", str(tmp_path / "nowhere.json")]) == 2
    assert "generate-stacks writes flavors.json" in capsys.readouterr().err
