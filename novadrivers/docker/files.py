# SPDX-License-Identifier: Apache-2.0
"""Files of an instance on the node."""

import logging
import shutil
from pathlib import Path
from typing import Any

LOG = logging.getLogger(__name__)


def remove(directory: Path) -> bool:
    """Remove ``directory`` as far as that can be done, and return whether it is gone."""

    def failed(function: Any, path: str, error: Any) -> None:
        if not isinstance(error[1], FileNotFoundError):
            LOG.error("Cannot remove %s: %s", path, error[1])

    shutil.rmtree(directory, onerror=failed)
    return not directory.exists()
