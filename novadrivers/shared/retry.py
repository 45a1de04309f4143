# SPDX-License-Identifier: Apache-2.0
"""Cleaning up, and what Nova does with it, waits for a daemon that is just being restarted.

Nova asks the driver once to remove what a failed build left (ComputeManager._shutdown_instance).
Where the build failed because the hypervisor's daemon died, that fails too; then Nova takes the
host from the server, and its delete is one of the database alone: directory and port stay for ever.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

LOG = logging.getLogger(__name__)

SECONDS = 60.0
"""How long a daemon may be away: systemd restarts it in a few."""
PAUSE = 2.0

Method = TypeVar("Method", bound=Callable[..., Any])


def patient(*away: type[Exception]) -> Callable[[Method], Method]:
    """Return a decorator: the method is called again while it raises one of ``away``.

    After ``SECONDS`` it raises what the method raised.
    """

    def decorate(method: Method) -> Method:
        @functools.wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            deadline = time.monotonic() + SECONDS
            while True:
                try:
                    return method(*arguments, **named)
                except away as error:
                    if time.monotonic() > deadline:
                        raise
                    LOG.warning("Trying again: %s", error)
                    time.sleep(PAUSE)

        return call  # type: ignore[return-value]

    return decorate
