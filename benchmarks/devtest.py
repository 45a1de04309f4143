#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Print the figures of devtest runs from their reports.

    benchmarks/devtest.py [REPORT.json…]     default: all reports of this machine's state directory

A run is cold when it built images, warm when all of them came from the cache. The load is the
machine's one-minute average when the run began and when it ended.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from altostratus.console import CommandParser, run_command
from altostratus.errors import AltostratusError, InputError
from altostratus.yamlfile import document
from devtest.report import table
from devtest.workspace import find

MIB = 1024**2
START = "start undercloud"
# Seconds of the steps that build images, above which at least one was built.
BUILT = 30.0
HEADINGS = ("report", "cloud", "kind", "all", START, "deploy", "undercloud MiB", "load", "CPUs")


def row(path: Path) -> Sequence[Any]:
    """Return the figures of one report."""
    try:
        return figures(path, document.content(path, "name a report: devtest run writes them"))
    except (KeyError, TypeError, ValueError) as error:
        message = f"{path}: no report of devtest: {error!r}"
        raise InputError(message, "devtest run writes reports, --help says where") from error


def figures(path: Path, report: dict[str, Any]) -> Sequence[Any]:
    """Return the figures of the content of a report."""
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


def show(args: argparse.Namespace) -> None:
    """Print the table."""
    paths = args.reports or sorted(find().reports.glob("*.json"))
    if not paths:
        raise AltostratusError("no reports", "devtest run writes one")
    print(table([row(path) for path in paths], HEADINGS), end="")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    name = "report of a run (default: all in the state directory, reports/)"
    parser.add_argument("reports", metavar="REPORT.json", nargs="*", type=Path, help=name)
    return run_command(show, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
