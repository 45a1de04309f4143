# SPDX-License-Identifier: Apache-2.0
"""Every check there is, by area. ``docs/checks.md`` is written from these tables."""

from collections.abc import Mapping
from types import ModuleType

from altostratus.yamlfile import checks as files
from altostratus.yamlfile.problems import Check
from generator.cloudfile import checks as cloudfile
from generator.contracts import checks as contracts
from generator.elements import checks as elements
from generator.heat import checks as heat
from generator.plan import checks as plan

_TABLES: Mapping[str, ModuleType] = {
    "files": files,
    "cloud-file": cloudfile,
    "contracts": contracts,
    "plan": plan,
    "heat": heat,
    "elements": elements,
}


def areas() -> dict[str, list[Check]]:
    """Return the checks of each area; the first digit of their ids counts the areas."""
    return {
        area: [one for one in vars(table).values() if isinstance(one, Check)]
        for area, table in _TABLES.items()
    }
