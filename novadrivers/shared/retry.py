# SPDX-License-Identifier: Apache-2.0
"""Retry while a daemon (libvirtd, dockerd, Ironic) is restarted.

Nova calls the driver once to remove what a failed build left (ComputeManager._shutdown_instance).
If the build failed because the hypervisor's daemon died, that call fails too. Nova then clears the
server's host, so that a later delete removes only the database row, and the instance's directory
and ports are leaked.
"""

import functools
import logging
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

LOG = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
"""How long a daemon may be away; systemd restarts it within a few seconds."""
INTERVAL_SECONDS = 2.0

P = ParamSpec("P")
R = TypeVar("R")


def retry_on(*errors: type[Exception]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that calls a function again while it raises one of ``errors``.

    After ``TIMEOUT_SECONDS`` the error is raised.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            deadline = time.monotonic() + TIMEOUT_SECONDS
            while True:
                try:
                    return function(*args, **kwargs)
                except errors as error:
                    if time.monotonic() > deadline:
                        raise
                    LOG.warning("Retrying: %s", error)
                    time.sleep(INTERVAL_SECONDS)

        return call

    return decorate
