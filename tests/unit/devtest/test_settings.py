# SPDX-License-Identifier: Apache-2.0
"""Which undercloud is meant, what tells it from others, and when that may change."""

import itertools
import json
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from altostratus.errors import InputError
from devtest import settings, workspace
from devtest.container import hostnet
from devtest.settings import Given, Settings

TAKEN = IPv4Network("192.168.24.0/24")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine with one route, and no variables of who runs the tests."""
    monkeypatch.setattr(hostnet, "destinations", lambda: [TAKEN])
    monkeypatch.delenv("ALTOSTRATUS_NAME", raising=False)
    monkeypatch.delenv("ALTOSTRATUS_STATE", raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def started(found: workspace.Workspace) -> None:
    """Have an undercloud that was started."""
    found.settings.save(found.state)
    found.container.mkdir(parents=True)
    (found.container / "spec.json").write_text("{}")


def test_the_default_is_what_it_always_was(tmp_path: Path) -> None:
    found = workspace.find()
    assert found.state == tmp_path / "altostratus"
    assert found.settings == Settings()
    network = found.settings.network([TAKEN])
    assert found.settings.container == "altostratus"
    assert (network.link, network.host_address, network.address, network.routes) == (
        "as-uc",
        "10.77.0.1/30",
        "10.77.0.2/30",
        (str(TAKEN),),
    )


def test_another_name_has_everything_of_its_own() -> None:
    one, other = workspace.find(), workspace.find(Given(name="lab"))
    assert one.state != other.state
    assert not other.state.is_relative_to(one.state)
    assert one.cache == other.cache
    mine, yours = one.settings, other.settings
    assert mine.container != yours.container
    assert mine.network().link != yours.network().link
    assert not mine.transfer.overlaps(yours.transfer)


def test_a_name_is_no_word_of_another_programs_cgroup() -> None:
    """Nor of a further node's container: those are called CONTAINER-NODE."""
    assert Settings(name="docker").container == "altostratus.docker"


@pytest.mark.parametrize("name", ["a" * 12, "lab", "a1"])
def test_the_link_fits(name: str) -> None:
    chosen = settings.given(name, None, None, {})
    assert chosen.name == name
    assert len(Settings(name=name).network().link) <= 15


@pytest.mark.parametrize("name", ["a" * 13, "Lab", "1a", "a-b", "a/b", "."])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="no name for an undercloud"):
        settings.given(name, None, None, {})
    with pytest.raises(InputError, match="no name for an undercloud"):
        settings.given(None, None, None, {"ALTOSTRATUS_NAME": name})


def test_the_option_wins_over_the_variable() -> None:
    variables = {"ALTOSTRATUS_NAME": "lab"}
    assert settings.given(None, None, None, variables).name == "lab"
    assert settings.given("other", None, None, variables).name == "other"


@pytest.mark.parametrize("text", ["10.9.8.0/24", "10.9.8.1/30", "ten"])
def test_a_bad_transfer_network_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="transfer network"):
        settings.given(None, None, text, {})


def test_the_transfer_network_is_free_and_follows_from_the_name() -> None:
    first = settings.free_transfer("lab", [])
    assert first == settings.free_transfer("lab", [TAKEN])
    assert first.prefixlen == 30
    second = settings.free_transfer("lab", [first])
    assert not first.overlaps(second)
    default = Settings().transfer
    names = ["".join(each) for each in itertools.product("abc", repeat=4)]
    assert default not in {settings.free_transfer(name, []) for name in names}
    with pytest.raises(InputError, match=r"no transfer network is free in 10\.77\.0\.0/16"):
        settings.free_transfer("lab", [settings.POOL])


def test_programs_without_options_follow_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTOSTRATUS_NAME", "lab")
    assert workspace.find() == workspace.find(Given("lab"))


def test_settings_are_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    transfer = IPv4Network("10.9.8.0/30")
    found = workspace.find(Given("lab", file, transfer))
    assert found.settings == Settings("lab", file, transfer)
    started(found)
    assert workspace.find(Given("lab")) == found
    # The directory knows its name.
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(found.state))
    assert workspace.find() == found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Given(name="other"), "name is lab, not other"),
        (Given(undercloud=Path("/x.yaml")), "undercloud is the example, not /x.yaml"),
        (
            Given(transfer=IPv4Network("10.9.8.0/30")),
            r"transfer network is 10\.77\.\S+, not 10\.9\.8\.0/30",
        ),
    ],
)
def test_settings_change_only_before_the_first_start(
    change: Given, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = workspace.find(Given("lab"))
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(found.state))
    found.settings.save(found.state)
    assert workspace.find(change).settings != found.settings
    started(found)
    with pytest.raises(InputError, match=message) as caught:
        workspace.find(change)
    assert "devtest destroy" in str(caught.value.hint)
    assert workspace.find(Given("lab")) == found


def test_the_state_of_an_older_devtest_has_the_default_settings(tmp_path: Path) -> None:
    (tmp_path / "altostratus/container").mkdir(parents=True)
    (tmp_path / "altostratus/container/spec.json").write_text("{}")
    assert workspace.find().settings == Settings()
    with pytest.raises(InputError, match="undercloud is the example"):
        workspace.find(Given(undercloud=tmp_path / "x.yaml"))


def test_damaged_settings_are_said(tmp_path: Path) -> None:
    (tmp_path / "altostratus").mkdir()
    for content in ("{", json.dumps({"name": "lab"}), "[]"):
        (tmp_path / "altostratus/settings.json").write_text(content)
        with pytest.raises(InputError, match=r"settings\.json is damaged"):
            workspace.find()


def test_workspace_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(tmp_path / "s"))
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(tmp_path / "c"))
    assert workspace.find() == workspace.Workspace(tmp_path / "s", tmp_path / "c")
