# SPDX-License-Identifier: Apache-2.0
"""Limits of the host: counted, raised for an undercloud, put back after the last one."""

import json
import os
from pathlib import Path

import pytest

from altostratus.errors import AltostratusError
from devtest import doctor, limits
from devtest.container import processes

DEFAULTS = {
    "fs/inotify/max_user_instances": 128,
    "fs/inotify/max_user_watches": 8192,
    "kernel/keys/maxkeys": 200,
    "kernel/keys/maxbytes": 20000,
    "fs/aio-max-nr": 65536,
    "kernel/pty/max": 4096,
    "kernel/pid_max": 32768,
    "net/ipv4/neigh/default/gc_thresh3": 1024,
}
INSTANCES = "fs/inotify/max_user_instances"


@pytest.fixture(autouse=True)
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host with a kernel's usual limits; the record is beside them."""
    proc = tmp_path / "proc"
    for name, value in DEFAULTS.items():
        path = proc / "sys" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    monkeypatch.setattr(processes, "PROC", proc)
    monkeypatch.setattr(limits, "RECORD", tmp_path / "record.json")
    monkeypatch.setattr(limits, "ROOT", os.geteuid())
    return proc / "sys"


def state(tmp_path: Path, name: str = "one") -> Path:
    made = tmp_path / name
    made.mkdir(exist_ok=True)
    return made


def values(host: Path) -> dict[str, int]:
    return {name: int((host / name).read_text()) for name in DEFAULTS}


def test_every_limit_of_the_table_is_one_that_the_test_host_has() -> None:
    assert {each.name.replace(".", "/") for each in limits.LIMITS} == DEFAULTS.keys()


def test_four_guests_are_within_what_a_kernel_allows_by_default(host: Path, tmp_path: Path) -> None:
    assert limits.lift(state(tmp_path), 4) == []
    assert values(host) == DEFAULTS


@pytest.mark.parametrize(
    ("guests", "name"),
    [
        (13, INSTANCES),
        (120, "kernel/keys/maxkeys"),
        (25, "fs/aio-max-nr"),
        (25, "net/ipv4/neigh/default/gc_thresh3"),
        (100, "kernel/pid_max"),
        (120, "fs/inotify/max_user_watches"),
    ],
)
def test_what_is_too_low_is_raised_and_put_back(
    guests: int, name: str, host: Path, tmp_path: Path
) -> None:
    own = state(tmp_path)
    said = limits.lift(own, guests)
    raised = values(host)
    assert raised[name] > DEFAULTS[name]
    assert any(name.replace("/", ".") in line for line in said)
    limits.release(own)
    assert values(host) == DEFAULTS
    assert not limits.RECORD.exists()


def test_more_is_raised_than_the_usual_where_more_is_needed(host: Path, tmp_path: Path) -> None:
    limits.lift(state(tmp_path), 2000)
    assert values(host)[INSTANCES] >= 9 * 2000


def test_a_second_raise_keeps_the_first_value_to_put_back(host: Path, tmp_path: Path) -> None:
    own = state(tmp_path)
    limits.lift(own, 20)
    limits.lift(own, 2000)
    limits.release(own)
    assert values(host) == DEFAULTS


def test_the_last_undercloud_that_leaves_puts_the_limits_back(host: Path, tmp_path: Path) -> None:
    one, two = state(tmp_path), state(tmp_path, "two")
    limits.lift(one, 20)
    limits.lift(two, 2)
    limits.release(one)
    assert values(host)[INSTANCES] > DEFAULTS[INSTANCES]
    limits.release(two)
    assert values(host) == DEFAULTS


def test_an_undercloud_whose_state_was_removed_by_hand_does_not_count(
    host: Path, tmp_path: Path
) -> None:
    lost, other = state(tmp_path, "lost"), state(tmp_path)
    limits.lift(lost, 20)
    limits.lift(other, 2)
    lost.rmdir()
    limits.release(other)
    assert values(host) == DEFAULTS


def test_a_value_that_the_administrator_set_meanwhile_stays(host: Path, tmp_path: Path) -> None:
    own = state(tmp_path)
    limits.lift(own, 20)
    (host / INSTANCES).write_text("4000\n")
    limits.release(own)
    assert values(host)[INSTANCES] == 4000


def test_a_devtest_that_was_killed_before_it_set_the_value_puts_nothing_back(
    host: Path, tmp_path: Path
) -> None:
    own = state(tmp_path)
    limits.lift(own, 20)
    # Killed between the record and the kernel: the value is still the old one.
    (host / INSTANCES).write_text("128\n")
    limits.release(own)
    assert values(host) == DEFAULTS
    assert not limits.RECORD.exists()


def test_the_record_comes_before_the_value(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, text: str) -> int:
        assert json.loads(limits.RECORD.read_text())["values"]
        raise KeyboardInterrupt

    # Only the host's values are written so.
    monkeypatch.setattr(Path, "write_text", killed)
    with pytest.raises(KeyboardInterrupt):
        limits.lift(state(tmp_path), 20)
    assert str(tmp_path / "one") in json.loads(limits.RECORD.read_text())["users"]


def test_a_limit_that_cannot_be_set_is_an_error_that_says_what_to_do(
    host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "_writable", lambda path: False)
    with pytest.raises(AltostratusError, match="max_user_instances is 128") as caught:
        limits.lift(state(tmp_path), 20)
    assert "sysctl -w fs.inotify.max_user_instances=8192" in str(caught.value.hint)
    shown = {each.name: each for each in doctor.shared_limits(20, [], root=True)}
    assert not shown["inotify instances"].good
    assert shown["inotify watches"].good


def test_a_kernel_without_a_limit_has_nothing_to_raise(host: Path, tmp_path: Path) -> None:
    (host / "fs/aio-max-nr").unlink()
    assert limits.lift(state(tmp_path), 25)
    assert not (host / "fs/aio-max-nr").exists()
