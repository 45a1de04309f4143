# SPDX-License-Identifier: Apache-2.0
"""What commands share: the lock, the key, other programs; what the user reads in the end."""

import argparse
import dataclasses
import json
import shutil
import stat
import subprocess
from collections import Counter
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from altostratus.errors import AltostratusError
from altostratus.process import CommandError
from devtest import clouds, overview, tools
from devtest.commands import common, instance, machine
from devtest.doctor import Finding
from devtest.settings import Settings
from devtest.undercloud import instances, prepare
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace

MEMBER = Instance("web-0", "1", "overcloud", "web", "ACTIVE", "undercloud-lxc", {})


def test_one_command_at_a_time_works_in_a_state_directory(workspace: Workspace) -> None:
    other = Workspace(workspace.state.with_name("other"), workspace.cache)
    with common.exclusive(workspace):
        refused = pytest.raises(AltostratusError, match=f"at work in {workspace.state}")
        with refused, common.exclusive(workspace):
            pass
        with common.exclusive(other):
            pass
    with common.exclusive(workspace):
        pass


def test_nobody_else_enters_a_state_directory(workspace: Workspace) -> None:
    workspace.state.mkdir(parents=True)
    workspace.state.chmod(0o755)
    with common.exclusive(workspace):
        assert workspace.state.stat().st_mode & 0o777 == 0o700


def test_the_key_is_made_once_and_again_when_half_of_it_is_lost(workspace: Workspace) -> None:
    public = prepare.ensure_key(workspace)
    assert public.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(workspace.key.stat().st_mode) == 0o600
    assert prepare.ensure_key(workspace) == public
    workspace.key.with_suffix(".pub").unlink()
    assert prepare.ensure_key(workspace) != public


def test_a_tool_that_fails_has_said_why(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AltostratusError, match=r"^generator\.generate failed$"):
        tools.tool("generator.generate", ["none.yaml", "-o", "out"])
    assert "none.yaml" in capfd.readouterr().err


@pytest.fixture
def _deployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud with one instance and no Keystone."""
    monkeypatch.setattr(clouds, "connect", lambda *_: None)
    monkeypatch.setattr(instances, "list_instances", lambda _: [MEMBER])


@pytest.mark.usefixtures("_deployed")
def test_the_user_reads_how_to_mean_an_undercloud_of_another_name(workspace: Workspace) -> None:
    told = overview.how_to_use(workspace, "overcloud")
    assert f"export OS_CLIENT_CONFIG_FILE={workspace.clouds_yaml}\n" in told
    assert "devtest ssh web-0" in told
    assert "--os-cloud undercloud server list\n" in told
    assert "--os-cloud overcloud" not in told
    assert "ALTOSTRATUS_NAME" not in told
    lab = Workspace(workspace.state, workspace.cache, Settings("lab"))
    assert "    export ALTOSTRATUS_NAME=lab\n" in overview.how_to_use(lab, "overcloud")


@pytest.mark.usefixtures("_deployed")
def test_the_printed_commands_can_be_pasted_all_at_once(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Programs that only note their arguments take the place of those that are named."""
    state = tmp_path / "my state"
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(state))
    found = Workspace(state, workspace.cache, Settings("lab"))
    clouds_file = found.clouds_yaml
    clouds_file.parent.mkdir(parents=True)
    clouds_file.write_text("clouds: {overcloud: {}}\n")
    told = overview.how_to_use(found, "overcloud")
    lines = [line[4:] for line in told.splitlines() if line.startswith("    ")]
    noted = tmp_path / "noted"
    for name in ("devtest", "openstack"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        line = f'echo "{name} $*, $ALTOSTRATUS_NAME, $ALTOSTRATUS_STATE, $OS_CLIENT_CONFIG_FILE"'
        program.write_text(f"#!/bin/sh\n{line} >>{noted}\n")
        program.chmod(0o755)
    script = "\n".join(line for line in lines if "export PATH" not in line)
    environment = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    done = subprocess.run(["bash", "-eu"], input=script, env=environment, text=True, timeout=60)
    assert done.returncode == 0
    variables = f"lab, {state}, {clouds_file}"
    assert noted.read_text().splitlines() == [
        f"openstack --os-cloud undercloud server list, {variables}",
        f"openstack --os-cloud overcloud token issue, {variables}",
        f"devtest status, {variables}",
        f"devtest ssh web-0 sudo journalctl --no-pager --lines=20, {variables}",
    ]
    assert not any("destroy" in line or "enter" in line for line in lines)


def test_a_client_that_is_not_installed_is_not_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    assert overview._openstack(workspace, "overcloud") == []


@pytest.fixture
def _running(monkeypatch: pytest.MonkeyPatch) -> None:
    """An undercloud with two instances, of which one was short of memory."""
    one = dataclasses.replace(
        MEMBER, id="one", domain="instance-00000001", addresses={"net": "10.0.0.7"}
    )
    other = dataclasses.replace(MEMBER, name="web-1", id="two", domain="instance-00000002")
    monkeypatch.setattr(clouds, "connect", lambda *_: None)
    monkeypatch.setattr(clouds, "known", lambda _: ["undercloud"])
    monkeypatch.setattr(instances, "list_instances", lambda _: [one, other])
    stack = SimpleNamespace(stack_name="overcloud", stack_status="CREATE_COMPLETE")
    monkeypatch.setattr(overview.stacks, "listed", lambda _: [stack])
    monkeypatch.setattr(overview.container, "pid", lambda _: 7)
    monkeypatch.setattr(overview.container, "refresh_state", lambda _: {"state": "applied"})
    monkeypatch.setattr(overview.container, "memory", lambda _: 3 << 20)
    listed = "nova-api.service loaded active running Nova\n"
    monkeypatch.setattr(overview.container, "inside", lambda *_: listed)
    counted = Counter({"instance-00000002": 3})
    monkeypatch.setattr(overview.memorykills, "counts", lambda _: counted)


@pytest.mark.usefixtures("_running")
def test_the_status_starts_with_the_instances_and_shows_ids_only_when_asked(
    workspace: Workspace,
) -> None:
    shown = overview.status(workspace)
    first, second = shown.splitlines()[:2]
    assert first.split() == ["cloud", "instance", "status", "host", "addresses"]
    assert second.split() == ["overcloud", "web-0", "ACTIVE", "undercloud-lxc", "net", "10.0.0.7"]
    assert "web-1: the kernel killed 3 of its programs for memory" in shown
    assert "web-0: the kernel" not in shown
    places = [shown.index(word) for word in ("web-0", "CREATE_COMPLETE", "pid 7", "nova-api")]
    assert places == sorted(places)
    assert "one" not in shown.splitlines()[1]
    assert overview.status(workspace, verbose=True).splitlines()[1].endswith(" one")


@pytest.mark.usefixtures("_running")
def test_the_status_as_json_has_what_the_text_has(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "find", lambda _: workspace)
    machine.status(argparse.Namespace(json=True, verbose=False))
    shown = json.loads(capsys.readouterr().out)
    assert (shown["version"], shown["kind"]) == (1, "status")
    assert [each["memory_kills"] for each in shown["instances"]] == [0, 3]
    assert shown["instances"][0]["addresses"] == {"net": "10.0.0.7"}
    assert shown["stacks"] == [{"name": "overcloud", "status": "CREATE_COMPLETE"}]
    assert shown["nodes"][0]["pid"] == 7
    assert shown["services"] == [
        {"name": "nova-api.service", "active": "active", "state": "running"}
    ]
    assert shown["settings"]["state"] == str(workspace.state)


def test_the_doctor_as_json_has_every_check(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = Finding("memory", False, "1 GiB", "more")
    monkeypatch.setattr(machine, "find", lambda _: workspace)
    monkeypatch.setattr(
        machine.checks, "examine", lambda *_: iter([Finding("root", True, "x"), bad])
    )
    assert machine.doctor(argparse.Namespace(json=True, cloud=None)) == 1
    shown = json.loads(capsys.readouterr().out)
    assert (shown["kind"], shown["good"]) == ("doctor", False)
    assert shown["checks"][1] == dataclasses.asdict(bad)


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        (["printf", "<%s>", "a b", "$HOME", "c;d", "'"], "<a b><$HOME><c;d><'>"),
        (["--", "printf", "<%s>", "-x"], "<-x>"),
        (["printf '<%s>' a b; echo c"], "<a><b>c\n"),
        (["cd /; pwd"], "/\n"),
    ],
)
def test_a_command_means_the_same_in_instances_and_nodes(given: list[str], printed: str) -> None:
    """sshd gives the words, joined by blanks, to the user's shell; nsenter executes them."""
    node = subprocess.run(common.words(given), capture_output=True, text=True, check=True)
    line = " ".join(common.remote(given))
    instance = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert node.stdout == instance.stdout == printed


def test_without_a_command_there_is_a_shell() -> None:
    assert common.words([]) == common.remote([]) == []


def test_the_status_shows_the_settings(workspace: Workspace) -> None:
    settings = Settings("lab", Path("/srv/lab.yaml"), IPv4Network("10.77.4.8/30"))
    shown = overview.status(Workspace(workspace.state, workspace.cache, settings))
    assert shown.splitlines()[0] == "undercloud: stopped"
    assert shown.splitlines()[1] == (
        "name lab, cloud file /srv/lab.yaml, transfer network 10.77.4.8/30, "
        f"state in {workspace.state}"
    )


@pytest.mark.usefixtures("_deployed")
def test_the_console_log_is_shown_when_ssh_fails(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: Any) -> str:
        raise CommandError("ssh failed: refused\nmore", returncode=255)

    monkeypatch.setattr(common, "find", lambda _: workspace)
    monkeypatch.setattr(instance, "find", lambda _: workspace)
    monkeypatch.setattr(instances, "journal", refuse)
    monkeypatch.setattr(instances, "console", lambda *_: "login:\n")
    args: Any = SimpleNamespace(instance="web-0", lines=10)
    instance.logs(args)
    out, err = capsys.readouterr()
    assert out == "login:\n"
    assert err == "no SSH (ssh failed: refused); its console log:\n"


def test_a_missing_program_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="no-such-program is missing"):
        common.become(["no-such-program"])


def test_options_and_environment_choose_the_undercloud(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path))
    given = argparse.Namespace(name="lab", undercloud=None, transfer_network="10.9.8.0/30")
    found = common.find(given)
    assert found.state == tmp_path
    assert found.settings == Settings("lab", None, IPv4Network("10.9.8.0/30"))
    assert not sorted(tmp_path.iterdir())
