# SPDX-License-Identifier: Apache-2.0
"""Report nova-compute as up right after its start, and as down right before its stop.

Nova takes a service as up until 60 s (``service_down_time``) after its last report
(``nova.servicegroup.drivers.db``). A server that is scheduled to a stopped service meanwhile waits
until the service is back, instead of failing with "No valid host was found". And a service that
has started makes its first report only seconds later.
"""

import datetime
import functools
import logging
from collections.abc import Callable
from typing import Any

LOG = logging.getLogger(__name__)

NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
"""``last_seen_up`` of a service that has stopped."""

# The methods of nova.service.Service, which have no arguments but self.
ServiceMethod = Callable[[Any], None]


def report_up_after(start: ServiceMethod) -> ServiceMethod:
    """Return Service.start with a report that the service is up at its end."""

    @functools.wraps(start)
    def start_and_report(self: Any) -> None:
        start(self)
        # Nova's database sets last_seen_up whenever report_count changes.
        self.service_ref.report_count += 1
        self.service_ref.save()

    return start_and_report


def report_down_before(stop: ServiceMethod) -> ServiceMethod:
    """Return Service.stop with a report that the service is down at its beginning."""

    @functools.wraps(stop)
    def report_and_stop(self: Any) -> None:
        # First of all, because calls in progress may use up the time that is left. Without its
        # timers the service makes no further report.
        try:
            self.tg.stop_timers()
            self.service_ref.last_seen_up = NEVER
            self.service_ref.save()
        except Exception:
            LOG.exception("Cannot report that this nova-compute is down")
        stop(self)

    return report_and_stop
