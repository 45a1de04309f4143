# SPDX-License-Identifier: Apache-2.0
"""docs/images.md says what altostratus/hypervisors.py holds."""

from pathlib import Path

from altostratus.hypervisors import HYPERVISORS

PAGE = Path(__file__).parents[3] / "docs" / "images.md"


def test_table_of_types_is_the_real_one() -> None:
    lines = PAGE.read_text().splitlines()
    for row in HYPERVISORS.values():
        (line,) = [line for line in lines if line.startswith(f"| `{row.name}` |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[2] == f"{row.disk_format} / {row.container_format}"
        assert cells[3] == "`" + " ".join(f"{k}={v}" for k, v in row.properties.items()) + "`"
