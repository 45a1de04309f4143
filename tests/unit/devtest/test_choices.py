# SPDX-License-Identifier: Apache-2.0
"""What a user chose once holds until it is taken back, and is said each time."""

import argparse
import json
from pathlib import Path

import pytest

from altostratus.console import Progress
from altostratus.datafiles import examples_path
from altostratus.errors import InputError
from devtest.cloud import choices, heatenv
from devtest.cloud import steps as module
from devtest.cloud.choices import Choices
from devtest.cloud.steps import Steps
from devtest.commands import cloud as commands
from devtest.workspace import Workspace
from generator import generate

CLOUD = "overcloud"


def prepared(
    workspace: Workspace, hypervisor: str | None = None, heat_env: Path | None = None, **more: Path
) -> Steps:
    """Prepare, generate and keep what a run with these options keeps."""
    arguments = argparse.Namespace(
        cloud=more.get("cloud"),
        hypervisor=hypervisor,
        heat_env=heat_env,
        quiet=False,
        verbose=False,
    )
    steps = commands.prepare(arguments, workspace)
    generate.generate(steps.file, workspace.stacks(steps.cloud), hypervisor=steps.hypervisor)
    heatenv.adopt(workspace, steps.cloud, heat_env)
    choices.keep(workspace, steps.cloud, Choices(steps.option, str(steps.file)))
    return steps


def test_the_hypervisor_is_remembered_said_and_taken_back(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepared(workspace).hypervisor is None
    assert prepared(workspace, "docker").hypervisor == "docker"
    assert capsys.readouterr().err == ""
    for _ in range(2):
        assert prepared(workspace).hypervisor == "docker"
        said = capsys.readouterr().err
        assert "all roles are of type docker, as --hypervisor said before" in said
        assert "--hypervisor file takes it back" in said
    assert prepared(workspace, "kvm").hypervisor == "kvm"
    assert prepared(workspace).hypervisor == "kvm"
    capsys.readouterr()
    assert prepared(workspace, choices.AS_WRITTEN).hypervisor is None
    assert prepared(workspace).hypervisor is None
    assert capsys.readouterr().err == ""


def test_another_cloud_has_its_own_choice(workspace: Workspace) -> None:
    prepared(workspace, "docker")
    other = prepared(workspace, cloud=examples_path() / "overcloud-lxc-combined.yaml")
    assert (other.cloud, other.hypervisor) == ("overcloud-combined", None)


def test_the_newest_choice_wins_over_the_other_kind(workspace: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"overcloud-hypervisor": "docker"}))
    assert prepared(workspace, "kvm").hypervisor == "kvm"
    assert prepared(workspace, heat_env=file).hypervisor == "docker"
    assert prepared(workspace).hypervisor == "docker"
    assert prepared(workspace, "lxc", file).hypervisor == "lxc"
    assert prepared(workspace).hypervisor == "lxc"
    # The option takes back what the kept file says, too.
    assert prepared(workspace, choices.AS_WRITTEN).hypervisor is None
    assert prepared(workspace).hypervisor is None
    other = tmp_path / "count.json"
    other.write_text(json.dumps({"parameters": {"KeystoneCount": 1}}))
    prepared(workspace, "kvm")
    assert prepared(workspace, heat_env=other).hypervisor == "kvm"


def test_a_type_in_the_kept_file_is_said_with_the_way_back(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"overcloud-hypervisor": "docker"}))
    prepared(workspace, heat_env=file)
    prepared(workspace)
    assert "of type docker, as overcloud-hypervisor in" in capsys.readouterr().err


def test_the_cloud_file_of_a_name_is_remembered(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A plain run would otherwise replace the cloud by the example of the same name."""
    mine = tmp_path / "mine.yaml"
    mine.write_text((examples_path() / "overcloud-lxc.yaml").read_text())
    assert prepared(workspace, cloud=mine).file == mine
    capsys.readouterr()
    assert prepared(workspace).file == mine
    assert f"the cloud file is {mine}, as before" in capsys.readouterr().err
    default = examples_path() / "overcloud.yaml"
    assert prepared(workspace, cloud=default).file == default
    assert prepared(workspace).file == default
    assert capsys.readouterr().err == ""
    prepared(workspace, cloud=mine)
    mine.unlink()
    with pytest.raises(InputError, match="which is gone") as caught:
        prepared(workspace)
    assert f"--cloud {default}" in str(caught.value.hint)


def test_a_build_keeps_the_choice_and_a_failed_one_does_not(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tool(name: str, arguments: list[object], *_: object, **__: object) -> None:
        if name == "generator.generate":
            assert generate.main([str(each) for each in arguments]) == 0

    def broken(name: str, *_: object, **__: object) -> None:
        raise InputError("no")

    file = examples_path() / "overcloud.yaml"
    steps = Steps(workspace, CLOUD, file, Progress(True), hypervisor="docker", option="docker")
    monkeypatch.setattr(module, "tool", broken)
    with pytest.raises(InputError):
        steps.build()
    assert choices.kept(workspace, CLOUD) == Choices()
    monkeypatch.setattr(module, "tool", tool)
    steps.build()
    assert choices.kept(workspace, CLOUD) == Choices("docker", str(file))


@pytest.mark.parametrize("text", ["", "[]", '{"hypervisor": "xen"}', '{"other": 1}'])
def test_a_damaged_record_is_an_error_that_names_it(workspace: Workspace, text: str) -> None:
    path = workspace.stacks(CLOUD) / choices.FILE
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(InputError, match=f"{path}"):
        choices.kept(workspace, CLOUD)
