# SPDX-License-Identifier: Apache-2.0
"""Which lanes a test run has, which tests each gets, and what the run amounts to."""

from pathlib import Path

import pytest

from altostratus.errors import InputError
from tools import lanes, testrun
from tools.testrun import NOTHING, Outcome, Request, Summary

TOP = lanes.TOP
FUNCTIONAL = {"container", "images", "clouds"}


def chosen(*arguments: str) -> dict[str, tuple[str, ...]]:
    """Return the paths of each lane that is run with ``arguments``."""
    selection = lanes.select(arguments)
    return {lane.name: selection.of(lane) for lane in lanes.LANES if selection.of(lane)}


def test_everything_has_a_lane_and_nothing_has_two() -> None:
    files = [*TOP.glob("tests/unit/**/test_*.py"), *TOP.glob("tests/functional/**/test_*.py")]
    for file in files:
        path = str(file.relative_to(TOP))
        assert list(chosen(path).values()) == [(path,)], path


def test_without_arguments_all_lanes_are_whole() -> None:
    assert chosen() == {lane.name: lane.paths or (lane.name,) for lane in lanes.LANES}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("tests/functional",), FUNCTIONAL),
        (("tests/unit",), {"unit"}),
        (("tests/",), FUNCTIONAL | {"unit"}),
        (("tests/functional/test_nodes.py", "-k", "drained"), {"clouds"}),
        (("./tests/functional/test_nodes.py::test_what_cannot_be", "-x"), {"clouds"}),
        (("tests/functional/images/test_wheel.py", "tests/unit/tools"), {"images", "unit"}),
        (("-k", "tests"), FUNCTIONAL | {"unit"}),
        (("-x",), {lane.name for lane in lanes.LANES}),
    ],
)
def test_paths_choose_lanes(arguments: tuple[str, ...], wanted: set[str]) -> None:
    assert chosen(*arguments).keys() == wanted


@pytest.mark.parametrize("path", ["tests/nowhere.py", "docs/development.md", "/etc/passwd"])
def test_what_is_no_test_is_refused(path: str) -> None:
    with pytest.raises(InputError, match="no such file or directory below tests"):
        lanes.select([path])


def test_values_of_options_are_no_paths() -> None:
    selection = lanes.select(["-k", "tests", "tests/unit", "--durations", "5"])
    assert selection.paths == ("tests/unit",)
    assert selection.options == ("-k", "tests", "--durations", "5")


@pytest.mark.parametrize(
    ("codes", "wanted"), [((0, 0), 0), ((0, NOTHING), 0), ((0, 1), 1), ((NOTHING, 2), 1)]
)
def test_a_lane_without_a_test_is_no_failure(codes: tuple[int, ...], wanted: int) -> None:
    assert testrun.verdict([Outcome("lane", code, 1.0) for code in codes]) == wanted


def test_a_run_without_a_test_is_an_error() -> None:
    with pytest.raises(InputError, match="no test is selected"):
        testrun.verdict([Outcome("lane", NOTHING, 1.0)])


def test_a_lane_is_run_and_its_results_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "test_both.py"
    file.write_text("def test_good(): pass\ndef test_bad(): assert False, 'this is why'\n")
    monkeypatch.setenv(testrun.REPORTS, str(tmp_path / "results"))
    lane = lanes.Lane("sample", (str(file),))
    assert testrun.run([lane], Request(lanes.Selection((), ()))) == 1
    said = capfd.readouterr().out
    results = tmp_path / "results/latest"
    assert "sample    | " in said
    assert f"Results: {results.resolve()}" in said
    assert {"sample.log", "sample.xml", "summary.json"} == {each.name for each in results.iterdir()}
    assert "this is why" in (results / "sample.log").read_text()
    assert testrun.counts(results / "sample.xml") == {"tests": 2, "failed": 1, "skipped": 0}


def test_the_gate_leaves_out_what_is_full_unless_it_is_named() -> None:
    lane = next(each for each in lanes.LANES if each.name == "clouds")

    def options(*arguments: str, full: bool = False, keep: bool = False) -> list[str]:
        command = Request(lanes.select(arguments), full, keep).command(lane, Path("report"))
        return command[command.index(f"--ignore={lanes.IMAGES}") + 1 :]

    assert options() == ["-m", "not full"]
    assert options("-k", "drained") == ["-m", "not full", "-k", "drained"]
    assert options(full=True, keep=True) == ["--keep"]
    assert options("tests/functional/test_nodes.py", "-x") == ["-x"]


def test_functional_lanes_wait_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    bad, good = tmp_path / "test_bad.py", tmp_path / "test_good.py"
    bad.write_text("def test_bad(): assert False\n")
    good.write_text("def test_good(): pass\n")
    monkeypatch.setenv(testrun.REPORTS, str(tmp_path / "results"))
    both = [
        lanes.Lane("first", (str(bad),)),
        lanes.Lane("second", (str(good),), functional=True),
    ]
    assert testrun.run(both, Request(lanes.Selection((), ()))) == 1
    assert "Not run, because the lanes before failed: second" in capfd.readouterr().out
    assert not (tmp_path / "results/latest/second.log").exists()


def test_table() -> None:
    outcomes = (Outcome("unit", 0, 61.2, 1599), Outcome("clouds", 1, 1200.0, 60, 2, 1))
    shown = testrun.table(Summary(outcomes, 25.04, 0.934, (2.5, 3.25, 3.0), False))
    assert shown.splitlines()[1:] == [
        "lane      outcome      tests  failed skipped  seconds",
        "unit      passed        1599                       61",
        "clouds    FAILED          60       2       1     1200",
        f"25.0 minutes; {testrun.os.cpu_count()} processors, 93% busy; load 2.5 3.2 3.0",
    ]
