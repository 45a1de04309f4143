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
from devtest import commands, main
from devtest.cloud import chain
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
    chain.check_reach(*chain.read(file))
    for old, new in changes.items():
        text = text.replace(old, new)
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        chain.check_reach(*chain.read(file))


@pytest.mark.parametrize("file", sorted(datafiles.examples_path().glob("overcloud*.yaml")))
def test_examples_are_within_reach(file: Path) -> None:
    chain.check_reach(*chain.read(file))


def test_missing_cloud_file_exits_with_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "state"))
    assert main.main(["run", "--cloud", "none.yaml"]) == 2
    assert "none.yaml: no such file\nhint: --cloud takes" in capsys.readouterr().err
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("step", ["load", "deploy", "verify"])
def test_a_step_without_its_files_says_what_comes_before(tmp_path: Path, step: str) -> None:
    cloud, file = chain.read(None)
    steps = chain.Chain(Workspace(tmp_path, tmp_path), cloud, file, Progress(quiet=True))
    with pytest.raises(AltostratusError, match=f"overcloud needs {tmp_path}/stacks") as caught:
        getattr(steps, step)()
    assert caught.value.hint == "devtest build"
    directory = tmp_path / "stacks/overcloud"
    directory.mkdir(parents=True)
    (directory / "overcloud.yaml").touch()
    if step == "deploy":
        with pytest.raises(AltostratusError, match="images-env.yaml") as caught:
            steps.deploy()
        assert caught.value.hint == "devtest load"


def test_instances_of_a_role_that_was_renamed_are_named() -> None:
    one, two = (
        Instance(f"{role}-0", role, "overcloud", role, "ACTIVE", "undercloud-lxc", {})
        for role in ("web", "old")
    )
    assert chain.hypervisors({"web": "lxc"}, [one]) == {"web-0": "lxc"}
    with pytest.raises(AltostratusError, match=r"does not have: old-0 \(old\)") as caught:
        chain.hypervisors({"web": "lxc"}, [one, two])
    assert "devtest deploy" in str(caught.value.hint)


def test_stopped_undercloud_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path))
    assert main.main(["undercloud", "status"]) == 1
    assert capsys.readouterr().out == "undercloud: stopped\n"
    assert main.main(["undercloud", "enter"]) == 1
    assert "does not run" in capsys.readouterr().err
    assert main.main(["ssh", "keystone-0"]) == 1
    assert "not deployed here" in capsys.readouterr().err


def test_a_service_that_does_not_answer_is_no_internal_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def unreachable(_: argparse.Namespace) -> None:
        raise keystoneauth1.exceptions.ConnectFailure("connection refused")

    monkeypatch.setattr(commands, "status", unreachable)
    assert main.main(["status"]) == 1
    said = capsys.readouterr().err
    assert "internal error" not in said
    assert "connection refused" in said
    assert "hint: devtest undercloud status" in said


def test_names_that_devtest_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    file = str(datafiles.examples_path() / "undercloud.yaml")
    assert main.main(["build", "--cloud", file]) == 2
    assert "devtest has something of its own called undercloud" in capsys.readouterr().err
