# SPDX-License-Identifier: Apache-2.0
"""The user's directories of elements: kept with the undercloud, and passed on to our commands."""

import os
from pathlib import Path

import pytest

from altostratus import process
from devtest import overview, ownelements
from devtest.cloud import cloudfiles
from devtest.workspace import Workspace
from imagebuild.elementspath import VARIABLE

CLOUD = """name: store
hypervisors: [lxc]
networks: {ctlplane: {cidr: 192.168.24.0/24}}
roles: {store: {services: [redis]}}
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on ELEMENTS_PATH with the service redis."""
    folder = tmp_path / "own/redis"
    folder.mkdir(parents=True)
    contract = "service: redis\nsummary: Key-value store\nunits: [redis-server]\n"
    (folder / "service.yaml").write_text(contract)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "state", tmp_path / "cache")


def test_commands_that_devtest_runs_get_them(own: Path) -> None:
    assert process.run(["printenv", VARIABLE]).stdout.strip() == str(own)


def test_cloud_files_and_the_status_know_their_services(own: Path, tmp_path: Path) -> None:
    (tmp_path / "store.yaml").write_text(CLOUD)
    cloud, _ = cloudfiles.read(tmp_path / "store.yaml")
    assert cloud.services == {"redis"}
    assert "redis-server.service" in overview.units()


def test_the_status_does_not_depend_on_a_broken_contract(own: Path) -> None:
    (own / "redis/service.yaml").write_text("service: [\n")
    assert "mariadb.service" in overview.units()


def test_later_commands_find_them(
    own: Path,
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As under sudo, or in a new shell."""
    ownelements.remember(workspace)
    monkeypatch.delenv(VARIABLE)
    caplog.set_level("INFO")
    ownelements.recall(workspace)
    assert os.environ[VARIABLE] == str(own)
    assert f"elements also from {own}" in caplog.text


def test_a_variable_that_is_set_wins(
    own: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ownelements.remember(workspace)
    monkeypatch.setenv(VARIABLE, "")
    ownelements.recall(workspace)
    assert os.environ[VARIABLE] == ""
    ownelements.remember(workspace)
    monkeypatch.delenv(VARIABLE)
    ownelements.recall(workspace)
    assert VARIABLE not in os.environ


def test_nothing_is_kept_without_any(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    ownelements.remember(workspace)
    ownelements.recall(workspace)
    assert VARIABLE not in os.environ
    assert not workspace.state.exists()
