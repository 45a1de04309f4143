# SPDX-License-Identifier: Apache-2.0
"""What the tests of setupcloud share: an Ironic in memory."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from memoryironic import Ironic


@pytest.fixture
def ironic() -> Ironic:
    return Ironic()
