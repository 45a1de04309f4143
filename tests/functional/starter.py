# SPDX-License-Identifier: Apache-2.0
"""Start the system container that the file argv[1] describes: a command that can be killed."""

import sys
from pathlib import Path

from devtest import container
from devtest.container.spec import load


def main() -> int:
    """Return when its init runs."""
    container.start(load(Path(sys.argv[1])))
    return 0
