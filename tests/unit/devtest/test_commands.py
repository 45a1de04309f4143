# SPDX-License-Identifier: Apache-2.0
"""What commands share: the lock, the key, other programs; what the user reads in the end."""

import argparse
import stat
from ipaddress import IPv4Network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from altostratus.errors import AltostratusError
from altostratus.process import CommandError
from devtest import clouds, overview, tools
from devtest.commands import common, instance
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
    assert "--os-cloud overcloud" not in told
    assert "ALTOSTRATUS_NAME" not in told
    lab = Workspace(workspace.state, workspace.cache, Settings("lab"))
    assert "    export ALTOSTRATUS_NAME=lab\n" in overview.how_to_use(lab, "overcloud")


def test_the_status_shows_the_settings(workspace: Workspace) -> None:
    settings = Settings("lab", Path("/srv/lab.yaml"), IPv4Network("10.77.4.8/30"))
    shown = overview.status(Workspace(workspace.state, workspace.cache, settings))
    first = shown.splitlines()[0]
    assert first == (
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
