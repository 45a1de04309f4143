# SPDX-License-Identifier: Apache-2.0
"""A method is retried while its daemon is away."""

import pytest

from novadrivers.shared import retry


class Away(Exception):
    pass


class Clock:
    """Time that passes only by sleeping."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(retry, "time", fake)
    return fake


def test_it_works_when_the_daemon_is_back(clock: Clock) -> None:
    @retry.retry_on(Away)
    def destroy(name: str) -> str:
        if clock.now < 5:
            raise Away
        return name

    assert destroy("one") == "one"
    assert 5 <= clock.now < 5 + retry.INTERVAL_SECONDS


def test_it_gives_up(clock: Clock) -> None:
    @retry.retry_on(Away)
    def destroy() -> None:
        raise Away("no daemon")

    with pytest.raises(Away, match="no daemon"):
        destroy()
    assert retry.TIMEOUT_SECONDS <= clock.now <= retry.TIMEOUT_SECONDS + 2 * retry.INTERVAL_SECONDS


def test_other_errors_are_raised_at_once(clock: Clock) -> None:
    @retry.retry_on(Away)
    def destroy() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        destroy()
    assert clock.now == 0
