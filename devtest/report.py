# SPDX-License-Identifier: Apache-2.0
"""The report of a run: what was done, how long each step took, how busy the machine was."""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from altostratus.files import write_json


@dataclass
class Report:
    """A run of devtest: ``steps`` are (name, seconds); ``load`` the machine's at start and end.

    ``started`` is Unix time, ``memory`` the undercloud's proportional set size in bytes (0:
    unknown), ``outcome`` done, failed or interrupted, ``failed`` the step in which that happened
    (None: in none).
    """

    cloud: str
    started: float = field(default_factory=time.time)
    seconds: float = 0.0
    outcome: str = "failed"
    steps: list[tuple[str, float]] = field(default_factory=list)
    failed: str | None = None
    load: list[float] = field(default_factory=lambda: [os.getloadavg()[0]])
    memory: int = 0
    processors: int = field(default_factory=lambda: os.cpu_count() or 1)

    def finish(
        self, outcome: str, steps: Sequence[tuple[str, float]], failed: str | None = None
    ) -> None:
        """Record how the run ended."""
        self.outcome = outcome
        self.steps = list(steps)
        self.failed = failed
        self.seconds = time.time() - self.started
        self.load.append(os.getloadavg()[0])

    def save(self, directory: Path) -> Path:
        """Write the report to a new file in ``directory`` and return its path."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.started))
        path = directory / f"{stamp}-{self.cloud}.json"
        write_json(path, asdict(self))
        return path

    def text(self) -> str:
        """Return a table of the steps; the one that failed is marked."""
        rows = [
            (name, seconds, self.outcome.upper() if name == self.failed else "")
            for name, seconds in [*self.steps, ("all", self.seconds)]
        ]
        return table(rows, ("step", "seconds", ""))


def table(rows: Sequence[Sequence[Any]], headings: Sequence[str]) -> str:
    """Return ``rows`` as aligned text under ``headings``; numbers (float) are seconds."""
    cells = [[f"{c:.1f}" if isinstance(c, float) else str(c) for c in row] for row in rows]
    widths = [max(len(row[i]) for row in [list(headings), *cells]) for i in range(len(headings))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in [list(headings), *cells]
    ]
    return "\n".join(lines) + "\n"
