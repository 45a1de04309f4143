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
    assert capsys.readouterr().out.splitlines() == [
        "would create overcloud-memcached",
        "would create overcloud-compute",
    ]
    assert run(tmp_path, SMALL, METAL) == 0
    made = ["POST flavors", "POST flavors", "POST flavors f2 os-extra_specs"]
    assert compute.calls == made
    assert known(compute) == [SMALL, METAL]
    assert run(tmp_path, SMALL, METAL) == 0
    assert compute.calls == made
    assert capsys.readouterr().out.splitlines() == [
        *["created overcloud-memcached", "created overcloud-compute"],
        *["unchanged overcloud-memcached", "unchanged overcloud-compute"],
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"ram": 2048},
        {"vcpus": 2},
        {"disk": 8},
        {"ram": 2048, "extra_specs": {"hw:x": "y"}},
    ],
)
def test_a_flavor_that_differs_is_replaced(
    change: dict[str, Any], compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL)
    assert run(tmp_path, METAL | change) == 0
    assert known(compute) == [METAL | change]
    assert capsys.readouterr().out.splitlines()[-1] == "replaced overcloud-compute"


def test_a_replaced_flavor_keeps_what_the_file_does_not_speak_of(
    compute: FakeCompute, tmp_path: Path
) -> None:
    run(tmp_path, METAL)
    kept = {"id": "mine", "OS-FLV-EXT-DATA:ephemeral": 7, "swap": 64, "rxtx_factor": 2.0}
    kept |= {fakecompute.PUBLIC: False, "description": "by hand"}
    compute.flavors[0] |= kept
    compute.access["mine"] = ["p1", "p2"]
    assert run(tmp_path, METAL | {"ram": 4096}) == 0
    (flavor,) = compute.flavors
    assert flavor | kept == flavor
    assert [call for call in compute.calls if "action" in call] == [
        "POST flavors mine action addTenantAccess"
    ] * 2


def test_extra_specs_are_changed_in_place(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL)
    compute.calls.clear()
    changed = METAL | {"extra_specs": {"resources:VCPU": "2", "hw:x": "y"}}
    assert run(tmp_path, changed) == 0
    assert known(compute) == [changed]
    assert compute.calls == [
        "POST flavors f1 os-extra_specs",
        "DELETE flavors f1 os-extra_specs resources:CUSTOM_BAREMETAL",
    ]
    assert capsys.readouterr().out.splitlines()[-1] == "updated overcloud-compute"


LARGER = METAL | {"ram": 2048, "extra_specs": {"hw:x": "y"}}
CHANGED = METAL | {"extra_specs": {"resources:VCPU": "2"}}
REFUSED = Answer(400, {"badRequest": {"code": 400, "message": "Nova does not like it."}})


@pytest.mark.parametrize(
    ("wanted", "call", "times"),
    [
        # The trial, then its extra specs.
        (LARGER, "POST flavors", 1),
        (LARGER, "POST flavors f2 os-extra_specs", 1),
        (LARGER, "DELETE flavors f1", 1),
        # The new one.
        (LARGER, "POST flavors", 2),
        (LARGER, "POST flavors f1 os-extra_specs", 1),
        (CHANGED, "POST flavors f1 os-extra_specs", 1),
        (CHANGED, "DELETE flavors f1 os-extra_specs resources:CUSTOM_BAREMETAL", 1),
    ],
)
def test_whatever_nova_refuses_the_old_flavor_is_there_afterwards(
    wanted: dict[str, Any],
    call: str,
    times: int,
    compute: FakeCompute,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(tmp_path, METAL)
    before = json.loads(json.dumps(compute.flavors))
    compute.calls.clear()
    compute.refuse = lambda said: (
        REFUSED if said == call and compute.calls.count(call) == times else None
    )
    assert run(tmp_path, wanted, SMALL) == 1
    assert call in compute.calls
    small = [one for one in compute.flavors if one["name"] == SMALL["name"]]
    assert len(small) == 1
    assert [one for one in compute.flavors if one not in small] == before
    said = capsys.readouterr()
    assert "Nova does not like it." in said.err and "overcloud-compute is not set up" in said.err
    # One that fails is no reason to leave out the others.
    assert said.out.splitlines()[-1] == "created overcloud-memcached"


def test_what_cannot_be_put_back_is_named(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL)
    compute.calls.clear()
    compute.refuse = lambda said: (
        REFUSED if said == "POST flavors" and compute.calls.count(said) > 1 else None
    )
    assert run(tmp_path, LARGER) == 1
    assert (
        "moreover, the flavor overcloud-compute (--id f1 --ram 1024 --vcpus 1 --disk 4 --property "
        "resources:CUSTOM_BAREMETAL=1 --property resources:VCPU=0) is gone, as undoing failed: "
        "Nova answers: Nova does not like it. (HTTP 400)"
    ) in capsys.readouterr().err


@pytest.mark.parametrize("call", ["DELETE flavors f1", "POST flavors"])
def test_a_success_whose_answer_is_lost(call: str, compute: FakeCompute, tmp_path: Path) -> None:
    run(tmp_path, METAL)
    before = json.loads(json.dumps(compute.flavors))
    compute.calls.clear()
    lost: list[str] = []

    def lose(said: str) -> Answer | None:
        if said != call or lost or (call == "POST flavors" and compute.calls.count(call) < 2):
            return None
        lost.append(said)
        compute.flavors[:] = (
            [] if call.startswith("DELETE") else [one | {"ram": 2048} for one in before]
        )
        return Answer(504)

    compute.refuse = lose
    assert run(tmp_path, LARGER) == 1
    assert lost and compute.flavors == before


def test_a_flavor_that_nova_does_not_take_whole_is_not_there(
    compute: FakeCompute, tmp_path: Path
) -> None:
    compute.refuse = lambda said: REFUSED if said.endswith("os-extra_specs") else None
    assert run(tmp_path, METAL) == 1
    assert compute.flavors == []


def test_without_permission_nothing_else_is_tried(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compute.refuse = lambda said: Answer(403, {"forbidden": {"code": 403, "message": "No."}})
    assert run(tmp_path, SMALL, METAL) == 1
    assert compute.calls == ["POST flavors"]
    assert "the roles of this user do not allow it" in capsys.readouterr().err


def test_a_private_flavor_of_the_name_is_seen(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, SMALL)
    compute.flavors[0][fakecompute.PUBLIC] = False
    assert run(tmp_path, SMALL) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "unchanged overcloud-memcached"


def test_a_dry_run_says_what_differs(
    compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(tmp_path, METAL, SMALL)
    compute.calls.clear()
    capsys.readouterr()
    assert run(tmp_path, LARGER, SMALL, dry=True) == 0
    assert run(tmp_path, CHANGED, dry=True) == 0
    assert compute.calls == []
    assert capsys.readouterr().out.splitlines() == [
        "would replace overcloud-compute: ram: 1024 -> 2048, extra_specs hw:x: none -> y, "
        "extra_specs resources:CUSTOM_BAREMETAL: 1 -> none, extra_specs resources:VCPU: 0 -> none",
        "unchanged overcloud-memcached",
        "would update overcloud-compute: extra_specs resources:CUSTOM_BAREMETAL: 1 -> none, "
        "extra_specs resources:VCPU: 0 -> 2",
    ]


def test_json(compute: FakeCompute, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, METAL, SMALL)
    capsys.readouterr()
    compute.refuse = lambda said: REFUSED if said == "POST flavors" else None
    wanted = {"flavors": [METAL | {"ram": 2048}, SMALL]}
    path = tmp_path / "flavors.json"
    path.write_text(json.dumps(wanted))
    assert flavors.main(["-f", str(path), "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "version": 1,
        "kind": "flavors",
        "dry_run": False,
        "flavors": [
            {
                "name": "overcloud-compute",
                "action": "replace",
                "done": False,
                "id": "f1",
                "differences": [{"field": "ram", "old": 1024, "new": 2048}],
                "error": "Nova answers: Nova does not like it. (HTTP 400)",
            },
            {
                "name": "overcloud-memcached",
                "action": "none",
                "done": False,
                "id": "f2",
                "differences": [],
            },
        ],
    }
    assert said.err.startswith("error: Nova answers: Nova does not like it.")


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
        ({"ram": 2**31}, "ram: 2147483648 is more than 2147483647"),
        ({"disk": 2**31}, "disk: 2147483648 is more than 2147483647"),
        ({"vcpus": 2**63}, "is more than 2147483647"),
        ({"disk": -1}, "disk: -1 is less than 0"),
        ({"disk": 1.5}, "disk: 1.5 is not a whole number"),
        ({"name": " x"}, "name: ' x' is not a name of at most 255 characters"),
        ({"name": "x" * 256}, "is not a name of at most 255 characters"),
        ({"name": "a\nb"}, "is not a name of at most 255 characters"),
        ({"extra_specs": {"a/b": "1"}}, "'a/b' is not a key of letters, digits"),
        ({"extra_specs": {"": "1"}}, "'' is not a key of letters, digits"),
        ({"extra_specs": {"a" * 256: "1"}}, "is not a key of letters, digits"),
        ({"extra_specs": {"a": "x" * 256}}, "is not a string of at most 255 characters"),
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
