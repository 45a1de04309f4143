# SPDX-License-Identifier: Apache-2.0
import pytest
from test_retry import Clock

from novadrivers.shared import guest_ended


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(guest_ended, "time", fake)
    return fake


def test_a_fault_has_the_last_lines_of_the_console() -> None:
    said = guest_ended.message(
        b"first\r\n\r\n\x1b[0;31mToo many\x07 open files\x1b[0m\r\n  bye\r\n"
    )
    assert said == f"{guest_ended.HEAD}\nfirst\nToo many open files\nbye"


@pytest.mark.parametrize("letter", ["x", "ä"])
def test_a_fault_is_not_longer_than_nova_keeps(letter: str) -> None:
    said = guest_ended.message((letter * 1000 + "\nthe end\n").encode())
    assert 250 < len(said.encode()) <= guest_ended.FAULT_BYTES
    assert said.endswith(f"{letter}\nthe end")


@pytest.mark.parametrize("console", [b"", b"\r\n\x1b[2J"])
def test_an_empty_console_is_said(console: bytes) -> None:
    assert guest_ended.message(console) == guest_ended.NOTHING


def test_a_guest_is_watched_for_a_while(clock: Clock) -> None:
    assert guest_ended.watch(lambda: False, seconds=2) is False
    assert clock.now == pytest.approx(2, abs=0.3)
    assert guest_ended.watch(lambda: clock.now > 3, seconds=2) is True
    assert clock.now < 3.5
