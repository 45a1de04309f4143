# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

import os
import signal


def pytest_configure() -> None:
    """Heed Ctrl-C as in a terminal: a CI's background jobs are started to ignore it.

    The developer's own elements are none of the tests'.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.pop("ELEMENTS_PATH", None)
