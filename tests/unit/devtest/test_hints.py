# SPDX-License-Identifier: Apache-2.0
"""Hints name commands that work when they are typed; devtest.sh takes options without a command."""

import os
import subprocess
from pathlib import Path

import pytest

from altostratus.datafiles import examples_path
from altostratus.errors import AltostratusError
from devtest import clouds, hints, main, script
from devtest.commands import common
from devtest.container.spec import Spec
from devtest.hints import Given
from devtest.settings import Settings
from devtest.workspace import Workspace

TOP = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        ("devtest build", "./devtest.sh --name lab build --cloud my.yaml"),
        ("the journal: devtest logs web-0", "the journal: ./devtest.sh --name lab logs web-0"),
        (
            "devtest deploy removes them",
            "./devtest.sh --name lab deploy --cloud my.yaml removes them",
        ),
        (
            "devtest undercloud status; devtest logs undercloud",
            "./devtest.sh --name lab undercloud status; ./devtest.sh --name lab logs undercloud",
        ),
        ("devtest doctor --cloud a.yaml", "./devtest.sh --name lab doctor --cloud a.yaml"),
        ("devtest destroy --cloud web", "./devtest.sh --name lab destroy --cloud web"),
        # It has a name of its own.
        (
            "ALTOSTRATUS_STATE=/srv/x devtest undercloud stop",
            "ALTOSTRATUS_STATE=/srv/x ./devtest.sh undercloud stop",
        ),
        (
            "ALTOSTRATUS_STATE='/srv/a b' devtest undercloud stop",
            "ALTOSTRATUS_STATE='/srv/a b' ./devtest.sh undercloud stop",
        ),
        ("devtest takes one that is free", "devtest takes one that is free"),
    ],
)
def test_commands_in_hints_have_the_options_in_use(hint: str, expected: str) -> None:
    assert hints.complete(hint, "./devtest.sh", Given("--name lab", "my.yaml")) == expected


def test_every_command_is_known_to_hints() -> None:
    names = {entry.name for entry in main.COMMANDS}
    assert {*hints.OF_A_CLOUD, *hints.OTHERS} == names
    takers = {
        each.name
        for each in main.COMMANDS
        if isinstance(each, main.Command) and main._CLOUD in each.arguments
    }
    assert set(hints.OF_A_CLOUD) == takers


@pytest.mark.parametrize("step", ["load", "deploy", "verify"])
def test_a_hint_builds_the_cloud_that_was_meant(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    file = tmp_path / "my cloud.yaml"
    file.write_text((examples_path() / "overcloud-lxc-combined.yaml").read_text())
    under = examples_path() / "undercloud.yaml"
    options = ["--name", "lab", "--undercloud", str(under)]
    assert main.main([*options, step, "--cloud", str(file)], "devtest") == 1
    said = capsys.readouterr().err
    assert f"hint: devtest {' '.join(options)} build --cloud '{file}'" in said


@pytest.mark.parametrize("command", [["load"], ["deploy"], ["verify"], ["ssh", "x"], ["logs", "x"]])
def test_a_stopped_undercloud_is_what_is_said_and_not_that_nothing_answers(
    command: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "clouds.yaml").write_text("clouds: {undercloud: {}}\n")
    monkeypatch.setattr(clouds, "connect", lambda *_: None)
    Spec("altostratus", tmp_path / "container", Path(), "", Settings().network()).save()
    assert main.main(command) == 1
    said = capsys.readouterr().err
    assert said == "error: the undercloud does not run\nhint: devtest undercloud start\n"


def test_an_undercloud_that_never_ran_is_not_to_be_started_alone(tmp_path: Path) -> None:
    with pytest.raises(AltostratusError) as caught:
        common.need_undercloud(Workspace(tmp_path, tmp_path))
    assert caught.value.hint == "devtest run"


def test_a_program_that_is_not_on_the_path_is_named_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert hints.program(".venv/bin/devtest") == ".venv/bin/devtest"
    assert hints.program("/usr/lib/devtest/main.py") == "devtest"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], ["run"]),
        (["--cloud", "f"], ["run", "--cloud", "f"]),
        (["--cloud=f"], ["run", "--cloud=f"]),
        (["--name", "lab"], ["--name", "lab", "run"]),
        (["--name=lab", "--cloud", "f"], ["--name=lab", "run", "--cloud", "f"]),
        (["--cloud", "f", "--name", "lab"], ["--name", "lab", "run", "--cloud", "f"]),
        (["--verbose", "-q"], ["-q", "run", "--verbose"]),
        (["--name", "lab", "status"], ["--name", "lab", "status"]),
        (["ssh", "web-0", "ls", "--name"], ["ssh", "web-0", "ls", "--name"]),
        (["--name", "lab", "--help"], ["--name", "lab", "--help"]),
        (["--print-completion", "bash"], ["--print-completion", "bash"]),
    ],
)
def test_options_alone_mean_run(given: list[str], expected: list[str]) -> None:
    assert script.with_command(given) == expected


def test_the_script_works_from_anywhere_also_below_a_directory_with_a_blank(tmp_path: Path) -> None:
    link = tmp_path / "my checkout"
    link.symlink_to(TOP)
    done = subprocess.run(
        [link / "devtest.sh", "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"usage: {link / 'devtest.sh'}" in done.stdout.replace("\n", " ").replace("  ", " ")
