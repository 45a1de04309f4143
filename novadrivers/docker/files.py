# SPDX-License-Identifier: Apache-2.0
"""Files of an instance on the node."""

import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

LOG = logging.getLogger(__name__)

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType]


def remove(directory: Path) -> bool:
    """Remove as much of ``directory`` as possible, and return whether it is gone.

    Errors are logged.
    """

    def failed(function: Callable[..., object], path: str, error: ExceptionInfo) -> None:
        if not isinstance(error[1], FileNotFoundError):
            LOG.error("Cannot remove %s: %s", path, error[1])

    shutil.rmtree(directory, onerror=failed)
    return not directory.exists()
