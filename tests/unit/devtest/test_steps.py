# SPDX-License-Identifier: Apache-2.0
"""What the user and the report read of a step, also of one that fails."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from altostratus.console import Progress
from altostratus.datafiles import examples_path
from devtest import clouds, overview
from devtest.cloud import cloudfiles, stacks
from devtest.cloud import steps as module
from devtest.cloud.steps import Steps
from devtest.report import Report
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator import generate


def steps(workspace: Workspace) -> Steps:
    return Steps(workspace, "overcloud", Path("cloud.yaml"), Progress())


def test_a_step_has_its_name_before_and_its_seconds_after(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = steps(workspace)
    with chosen.step("load images"):
        chosen.progress.note("loaded")
    first, middle, last = capsys.readouterr().err.splitlines()
    assert (first, middle) == ("== load images", "loaded")
    assert last.startswith("== load images: 0.")
    assert [name for name, _ in chosen.progress.steps] == ["load images"]
    assert chosen.failed is None


def test_a_step_of_several_says_its_number_and_how_long_it_takes(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = steps(workspace)
    chosen.total = 9
    with chosen.step("generate overcloud"):
        pass
    with chosen.step("load images", "about 15 s"):
        pass
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "== step 1 of 9: generate overcloud"
    assert said[2] == "== step 2 of 9: load images (about 15 s)"
    assert [name for name, _ in chosen.progress.steps] == ["generate overcloud", "load images"]


@pytest.mark.parametrize(("type_", "total"), [("lxc", 9), ("ironic", 11)])
def test_the_number_of_steps_is_known_before_the_first(
    type_: str, total: int, workspace: Workspace, calls: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, file = cloudfiles.read(None, type_)
    chosen = Steps(workspace, "overcloud", file, Progress(True), hypervisor=type_, model=model)
    said = overview.plan(chosen)
    assert f"overcloud: 4 instances ({type_}) in {total} steps" in said
    assert "min" in said
    monkeypatch.setattr(module.limits, "lift", lambda *_: [])
    for name, attributes in {
        "undercloud": ["start", "address"],
        "nodes": ["resume"],
        "clouds": ["register", "connect"],
        "prepare": ["lift_quotas", "upload_key", "ensure_key", "await_hypervisors"],
        "baremetal": ["missing", "stop_leaving"],
        "heatenv": ["merge"],
        "deploy": ["deploy"],
        "verify": ["verify"],
    }.items():
        for each in attributes:
            monkeypatch.setattr(getattr(module, name), each, lambda *_, **__: [])
    monkeypatch.setattr(Steps, "enrol", lambda *_: None)
    monkeypatch.setattr(Steps, "register", lambda *_: None)
    members = [
        Instance(f"n-{i}", str(i), "overcloud", "keystone", "ACTIVE", "", {}) for i in range(4)
    ]
    monkeypatch.setattr(module.instances, "of_cloud", lambda *_: members)
    chosen.build()
    for path in (workspace.images("overcloud"), workspace.stacks("overcloud")):
        path.mkdir(parents=True, exist_ok=True)
    (workspace.images("overcloud") / "manifest.json").touch()
    (workspace.stacks("overcloud") / "images-env.yaml").touch()
    for step in (chosen.start, chosen.load, chosen.deploy, chosen.verify):
        step()
    assert len(chosen.progress.steps) == chosen.count() == total


def test_ids_and_paths_are_shown_only_with_verbose(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[list[Any], bool]] = []
    monkeypatch.setattr(
        module, "tool", lambda _, arguments, __, *, results: shown.append((arguments, results))
    )
    chosen = Steps(workspace, "overcloud", Path("x"), Progress())
    chosen._tool("generator.generate", ["x"])
    chosen._tool("imagebuild.load", ["y"])
    chosen.verbose = True
    chosen._tool("generator.generate", ["x"])
    assert shown == [(["--quiet", "x"], False), (["y"], False), (["x"], True)]


@pytest.mark.parametrize("reason", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_is_recorded_and_stands_out(
    workspace: Workspace, reason: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = steps(workspace)
    with chosen.step("build"):
        pass
    with pytest.raises(reason), chosen.step("deploy overcloud"):
        raise reason
    assert "!! deploy overcloud: FAILED after 0." in capsys.readouterr().err
    assert [name for name, _ in chosen.progress.steps] == ["build", "deploy overcloud"]
    report = Report(cloud="overcloud")
    report.finish("failed", chosen.progress.steps, chosen.failed)
    assert report.failed == "deploy overcloud"
    lines = report.text().splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("deploy")] == ["FAILED"]
    assert not [line for line in lines if line.startswith("build") and "FAILED" in line]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """The project's commands that are called; generate-stacks does its work."""
    called: list[tuple[str, list[str]]] = []

    def tool(
        name: str, arguments: list[Any], environment: Any = None, *, results: bool = True
    ) -> None:
        called.append((name, [str(each) for each in arguments]))
        if name == "generator.generate":
            assert generate.main(called[-1][1]) == 0

    monkeypatch.setattr(module, "tool", tool)
    return called


def test_the_undercloud_is_built_first_and_never_of_another_type(
    workspace: Workspace, calls: list[tuple[str, list[str]]]
) -> None:
    file = examples_path() / "overcloud.yaml"
    Steps(workspace, "overcloud", file, Progress(True), hypervisor="ironic").build()
    assert [name for name, _ in calls] == ["generator.generate"] * 2 + ["imagebuild.build"] * 3
    under, over = calls[0][1], calls[1][1]
    assert under == [
        "--quiet",
        str(examples_path() / "undercloud.yaml"),
        "-o",
        str(workspace.stacks("undercloud")),
    ]
    assert over[-2:] == ["--hypervisor", "ironic"]
    # Nodes are deployed by a ramdisk.
    assert "--deploy-ramdisk" in calls[-1][1]


def test_later_steps_follow_what_was_generated_not_the_file(
    workspace: Workspace, calls: list[tuple[str, list[str]]], tmp_path: Path
) -> None:
    file = tmp_path / "cloud.yaml"
    file.write_text((examples_path() / "overcloud.yaml").read_text())
    chosen = Steps(workspace, "overcloud", file, Progress(True))
    chosen.build()
    file.write_text("edited, and not even a cloud file")
    assert set(chosen.types().values()) == {"lxc"}
    assert chosen.machines() == {}
    assert chosen.generated.services == {"mariadb", "memcached", "keystone", "glance"}


def test_the_credentials_have_the_address_that_the_stack_puts_out(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = {"output": {"output_value": "http://192.168.24.107:5000/v3"}}
    heat = SimpleNamespace(stacks=SimpleNamespace(output_show=lambda *_: shown))
    monkeypatch.setattr(stacks, "client", lambda _: heat)
    monkeypatch.setattr(clouds, "connect", lambda *_: None)
    chosen = steps(workspace)
    generate.generate(examples_path() / "overcloud.yaml", workspace.stacks("overcloud"))
    chosen.register()
    assert "auth_url: http://192.168.24.107:5000/v3" in workspace.clouds_yaml.read_text()


def test_limits_are_raised_for_all_clouds_before_the_undercloud_starts(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    order: list[Any] = []

    def lift(state: Path, guests: int, own: set[int]) -> list[str]:
        order.append((state, guests))
        return ["raised"]

    model, file = cloudfiles.read(None)
    chosen = Steps(workspace, "overcloud", file, Progress(), model=model)
    monkeypatch.setattr(module.limits, "lift", lift)
    monkeypatch.setattr(module.undercloud, "start", lambda _: order.append("start"))
    for name, each in (("undercloud", "address"), ("clouds", "register"), ("nodes", "resume")):
        monkeypatch.setattr(getattr(module, name), each, lambda *_: "")
    chosen.start()
    assert order == [(workspace.state, 4), "start"]
    assert "raised\n" in capsys.readouterr().err
    chosen.lift_limits(more=1)
    assert order[-1] == (workspace.state, 5)
