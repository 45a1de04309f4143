# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from generator import contracts
from generator.contracts.model import Contracts

FIXTURES = Path(__file__).parent / "contracts"


@pytest.fixture(scope="session")
def services() -> Contracts:
    """A few small contracts that have everything a contract can have."""
    return contracts.load(FIXTURES)
