# SPDX-License-Identifier: Apache-2.0
"""A nova-compute that stops says so, and one that has started as well.

Nova takes a service for alive until a minute (``service_down_time``) after its last report
(``nova.servicegroup.drivers.db``). Servers that are placed on it meanwhile wait for its return,
where "no valid host" would have told their user at once. And a service that returns reports only
seconds later.
"""

import datetime
import functools
import logging
from typing import Any

LOG = logging.getLogger(__name__)

NEVER = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
"""When a service was last seen that has left."""


def announce(service: Any) -> None:
    """Let instances of the class ``service`` (nova.service.Service) say when they come and go."""
    start, stop = service.start, service.stop

    @functools.wraps(start)
    def start_and_say(self: Any) -> None:
        start(self)
        # Nova's database takes a changed count for a report of now.
        self.service_ref.report_count += 1
        self.service_ref.save()

    @functools.wraps(stop)
    def say_and_stop(self: Any) -> None:
        # First, because the work under way may use up the time that there is to stop. The timers
        # would report once more.
        try:
            self.tg.stop_timers()
            self.service_ref.last_seen_up = NEVER
            self.service_ref.save()
        except Exception:
            LOG.exception("Nova could not be told that this nova-compute stops")
        stop(self)

    service.start, service.stop = start_and_say, say_and_stop
