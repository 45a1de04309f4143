#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the figures of devtest runs from their reports.

    benchmarks/devtest.py [REPORT.json…]     default: all reports of this machine's state directory

A run is cold when it built images, warm when all of them came from the cache. The load is the
machine's one-minute average when the run began and when it ended.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from devtest.report import table
from devtest.workspace import find

MIB = 1024**2
START = "start undercloud"
# Seconds of the steps that build images, above which at least one was built.
BUILT = 30.0
HEADINGS = ("report", "cloud", "kind", "all", START, "deploy", "undercloud MiB", "load", "CPUs")


def row(path: Path) -> Sequence[Any]:
    """Return the figures of one report."""
    report = json.loads(path.read_text())
    steps: dict[str, float] = dict(report["steps"])
    building = sum(seconds for name, seconds in steps.items() if name.startswith("build images"))
    kind = "cold" if building > BUILT else "warm"
    if report["outcome"] != "done":
        kind = report["outcome"]
    return (
        path.stem,
        report["cloud"],
        kind,
        report["seconds"],
        steps.get(START, 0.0),
        steps.get(f"deploy {report['cloud']}", 0.0),
        report["memory"] // MIB,
        " → ".join(f"{load:.1f}" for load in report["load"]),
        report["processors"],
    )


def main() -> int:
    """Print the table; the exit code is 1 without a report."""
    paths = [Path(name) for name in sys.argv[1:]] or sorted(find().reports.glob("*.json"))
    if not paths:
        print("no reports: devtest run writes one", file=sys.stderr)
        return 1
    print(table([row(path) for path in paths], HEADINGS), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
