# SPDX-License-Identifier: Apache-2.0
"""The command line of devtest: help of every command, exit codes, nothing touched by bad input."""

import argparse
import subprocess
import sys
from pathlib import Path

import keystoneauth1.exceptions
import pytest

from altostratus import datafiles
from altostratus.console import Progress
from altostratus.errors import AltostratusError, InputError
from devtest import main
from devtest.cloud import cloudfiles, steps
from devtest.commands import machine
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

COMMANDS = (
    *("run", "build", "load", "deploy", "verify", "status", "ssh", "logs", "destroy", "doctor"),
    *("undercloud", "undercloud start", "undercloud stop", "undercloud status", "undercloud enter"),
    *("node", "node add", "node remove"),
)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main([*command.split(), "--help"])
    assert left.value.code == 0
    assert "usage: devtest" in capsys.readouterr().out


def test_help_loads_no_openstack_client() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from devtest.main import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "print(sorted(m for m in sys.modules if m.split('.')[0] in "
        "('openstack', 'heatclient', 'yaml', 'keystoneauth1', 'generator')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


EVERY = [
    command
    for entry in main.COMMANDS
    for command in (entry.commands if isinstance(entry, main.Group) else [entry])
]


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.function)
def test_every_command_has_a_function(command: main.Command) -> None:
    assert callable(command.resolve())


def test_help_lists_the_commands_that_are_tested() -> None:
    names = {
        *(entry.name for entry in main.COMMANDS),
        *(
            f"{entry.name} {command.name}"
            for entry in main.COMMANDS
            if isinstance(entry, main.Group)
            for command in entry.commands
        ),
    }
    assert names == set(COMMANDS)


def test_the_name_of_an_undercloud_is_not_that_of_an_instance() -> None:
    for command in (["ssh", "keystone-0"], ["logs", "keystone-0"], ["node", "remove", "n-0"]):
        assert main.parser().parse_args(["--name", "lab", *command]).name == "lab"


@pytest.mark.parametrize("argv", [[], ["frobnicate"], ["undercloud"], ["ssh"], ["logs", "--lines"]])
def test_wrong_arguments_exit_with_2(argv: list[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main.main(argv)
    assert left.value.code == 2


def test_bad_cloud_file_exits_with_2_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "state"))
    cloud = tmp_path / "cloud.yaml"
    cloud.write_text("name: x\nroles: {a: {services: [keystonee]}}\n")
    assert main.main(["run", "--cloud", str(cloud)]) == 2
    assert f"{cloud}:2:" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


EXAMPLE = cloudfiles.reached(datafiles.examples_path() / "undercloud.yaml")
CLOUD = """\
name: tiny
hypervisors: [lxc]
networks:
  mgmt: {cidr: 192.168.24.0/25, gateway: 192.168.24.1, pool: [192.168.24.100, 192.168.24.120]}
  far: {vlan: 7, cidr: 10.1.0.0/24}
service_network: mgmt
public_network: mgmt
roles:
  web: {services: [memcached], networks: [mgmt]}
"""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"192.168.24.": "192.168.25."}, "would not reach role web"),
        (
            {
                "service_network: mgmt": "service_network: far",
                "networks: [mgmt]": "networks: [far]",
            },
            "would not reach role web",
        ),
        (
            {
                "public_network: mgmt": "public_network: far",
                "networks: [mgmt]": "networks: [mgmt, far]",
                "[memcached]": "[mariadb, memcached, keystone]",
            },
            "would not reach public_network far",
        ),
    ],
)
def test_a_cloud_out_of_reach_is_refused_at_the_start(
    tmp_path: Path, changes: dict[str, str], message: str
) -> None:
    file, text = tmp_path / "cloud.yaml", CLOUD
    file.write_text(text)
    cloudfiles.check_reach(*cloudfiles.read(file), EXAMPLE)
    for old, new in changes.items():
        text = text.replace(old, new)
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        cloudfiles.check_reach(*cloudfiles.read(file), EXAMPLE)


@pytest.mark.parametrize("file", sorted(datafiles.examples_path().glob("overcloud*.yaml")))
def test_examples_are_within_reach(file: Path) -> None:
    cloudfiles.check_reach(*cloudfiles.read(file), EXAMPLE)


def test_missing_cloud_file_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "state"))
    assert main.main(["run", "--cloud", "none.yaml"]) == 2
    assert "none.yaml: no such file\nhint: --cloud takes" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("step", ["load", "deploy", "verify"])
def test_a_step_without_its_files_says_what_comes_before(tmp_path: Path, step: str) -> None:
    cloud, file = cloudfiles.read(None)
    chosen = steps.Steps(Workspace(tmp_path, tmp_path), cloud.name, file, Progress(quiet=True))
    with pytest.raises(AltostratusError, match=f"overcloud needs {tmp_path}/stacks") as caught:
        getattr(chosen, step)()
    assert caught.value.hint == "devtest build"
    directory = tmp_path / "stacks/overcloud"
    directory.mkdir(parents=True)
    (directory / "overcloud.yaml").touch()
    if step == "deploy":
        with pytest.raises(AltostratusError, match="images-env.yaml") as caught:
            chosen.deploy()
        assert caught.value.hint == "devtest load"


def test_instances_of_a_role_that_was_renamed_are_named() -> None:
    one, two = (
        Instance(f"{role}-0", role, "overcloud", role, "ACTIVE", "undercloud-lxc", {})
        for role in ("web", "old")
    )
    assert steps.hypervisors({"web": "lxc"}, [one]) == {"web-0": "lxc"}
    with pytest.raises(AltostratusError, match=r"does not have: old-0 \(old\)") as caught:
        steps.hypervisors({"web": "lxc"}, [one, two])
    assert "devtest deploy" in str(caught.value.hint)


def test_stopped_undercloud_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path))
    assert main.main(["undercloud", "status"]) == 1
    assert capsys.readouterr().out == "undercloud: stopped\n"
    assert main.main(["--name", "lab", "status"]) == 0
    assert capsys.readouterr().out.startswith("undercloud: stopped\nname lab, cloud file ")
    assert main.main(["undercloud", "enter"]) == 1
    assert "does not run" in capsys.readouterr().err
    assert main.main(["ssh", "keystone-0"]) == 1
    assert "not deployed here" in capsys.readouterr().err


def test_a_service_that_does_not_answer_is_no_internal_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(_: argparse.Namespace) -> None:
        raise keystoneauth1.exceptions.ConnectFailure("connection refused")

    monkeypatch.setattr(machine, "status", unreachable)
    assert main.main(["status"]) == 1
    said = capsys.readouterr().err
    assert "internal error" not in said
    assert "connection refused" in said
    assert "hint: devtest undercloud status" in said


def test_names_that_devtest_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(datafiles.examples_path() / "undercloud.yaml")
    assert main.main(["build", "--cloud", file]) == 2
    assert 'the name "undercloud" is reserved by devtest' in capsys.readouterr().err
