# SPDX-License-Identifier: Apache-2.0
"""What nova-compute reports when it starts and stops."""

from typing import Any

import pytest

from novadrivers.shared import service_state


class Record:
    def __init__(self, broken: bool) -> None:
        self.report_count, self.last_seen_up, self.broken = 7, None, broken
        self.saved: list[tuple[int, Any]] = []

    def save(self) -> None:
        if self.broken:
            raise ConnectionError("no conductor")
        self.saved.append((self.report_count, self.last_seen_up))


class Timers:
    stopped = False

    def stop_timers(self) -> None:
        self.stopped = True


def service(broken: bool = False) -> Any:
    class Service:
        def __init__(self) -> None:
            self.tg, self.calls = Timers(), [""]
            self.service_ref = Record(broken)

        def start(self) -> None:
            self.calls.append("start")

        def stop(self) -> None:
            assert self.tg.stopped, "a timer may report once more"
            self.calls.append("stop")

    patched: Any = Service
    patched.start = service_state.report_up_after(Service.start)
    patched.stop = service_state.report_down_before(Service.stop)
    return patched()


def test_it_is_there_at_once() -> None:
    one = service()
    one.start()
    assert one.calls == ["", "start"]
    assert one.service_ref.saved == [(8, None)]


def test_it_is_gone_at_once() -> None:
    one = service()
    one.stop()
    assert one.calls == ["", "stop"]
    assert one.service_ref.saved == [(7, service_state.NEVER)]


def test_it_stops_when_nobody_listens(caplog: pytest.LogCaptureFixture) -> None:
    one = service(broken=True)
    one.stop()
    assert one.calls == ["", "stop"]
    assert "Cannot report that this nova-compute is down" in caplog.text
