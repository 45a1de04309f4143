# SPDX-License-Identifier: Apache-2.0
"""The CI matrix: every type and Python version has a job, and the generated files are current."""

import configparser
import shlex
import tomllib

import pytest
import yaml

from altostratus.hypervisors import HYPERVISORS
from devtest import main
from tools import matrix

NAMES = [row.name for row in matrix.ROWS]


@pytest.mark.parametrize("path", matrix.documents(), ids=lambda path: path.name)
def test_files_are_fresh(path: matrix.Path) -> None:
    assert path.read_text() == matrix.documents()[path], f"run: {matrix.COMMAND}"


def test_every_type_has_a_row() -> None:
    assert [name for name in NAMES if name != "mixed"] == [
        name for name in NAMES if name in HYPERVISORS
    ]
    assert set(HYPERVISORS) <= set(NAMES)


def test_docker_does_not_vote() -> None:
    assert {row.name: row.votes for row in matrix.ROWS if row.name in HYPERVISORS} == {
        name: name != "docker" for name in HYPERVISORS
    }


@pytest.mark.parametrize("row", matrix.ROWS, ids=lambda row: row.name)
def test_devtest_takes_the_arguments(row: matrix.Row) -> None:
    args = main.parser().parse_args(["run", *shlex.split(row.arguments)])
    assert (args.hypervisor == row.name) != bool(args.cloud)
    assert args.cloud is None or (matrix.TOP / args.cloud).is_file()


def test_pythons_are_the_first_and_last_of_the_project() -> None:
    project = tomllib.loads((matrix.TOP / "pyproject.toml").read_text())["project"]
    prefix = "Programming Language :: Python :: 3."
    claimed = [one.rpartition(" ")[2] for one in project["classifiers"] if one.startswith(prefix)]
    assert [python.version for python in matrix.PYTHONS] == [claimed[0], claimed[-1]]
    assert project["requires-python"] == f">={claimed[0]}"


def test_tox() -> None:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(matrix.TOP / "tox.ini")
    environments = [one for one in parser.sections() if one.startswith("testenv:devtest-")]
    assert environments == [f"testenv:devtest-{name}" for name in NAMES]
    for python in matrix.PYTHONS:
        assert parser[f"testenv:{python.name}"]["commands"] == "tools/check.sh unit {posargs}"
    assert parser["testenv:devtest-docker"]["commands"] == (
        "devtest run --hypervisor docker {posargs}"
    )


def test_playbooks_agree_where_the_state_is() -> None:
    plays = [
        yaml.safe_load((matrix.TOP / ".zuul" / name).read_text())[0]
        for name in ("devtest.yaml", "logs.yaml")
    ]
    tasks = [task for play in plays for task in play["tasks"] if "environment" in task]
    assert [task["environment"] for task in tasks] == [
        {"ALTOSTRATUS_STATE": "{{ devtest_state }}"}
    ] * 2
    jobs = {
        one["job"]["name"]: one["job"] for one in yaml.safe_load(matrix._zuul()) if "job" in one
    }
    assert "devtest_state" in jobs["altostratus-devtest"]["vars"]
    assert "/root/" not in (matrix.TOP / ".zuul/logs.yaml").read_text()


def test_zuul() -> None:
    content = yaml.safe_load((matrix.TOP / ".zuul.yaml").read_text())
    jobs = {one["job"]["name"]: one["job"] for one in content if "job" in one}
    project = content[-1]["project"]
    mine = [f"altostratus-devtest-{name}" for name in NAMES]
    unit = [f"altostratus-unit-{python.name}" for python in matrix.PYTHONS]
    assert project["check"]["jobs"] == [*unit, *mine]
    votes = [name for name in mine if jobs[name]["voting"]]
    assert project["gate"]["jobs"] == [*unit, *votes]
    labels = {name: jobs[name]["nodeset"]["nodes"][0]["label"] for name in unit}
    assert labels == {
        "altostratus-unit-py311": "debian-bookworm",
        "altostratus-unit-py313": "debian-trixie",
    }
    for name, job in jobs.items():
        assert job["parent"] in ("base", *jobs)
        for playbook in (job.get("run"), job.get("post-run")):
            assert playbook is None or (matrix.TOP / playbook).is_file(), name
