# SPDX-License-Identifier: Apache-2.0
"""Run the tests lane by lane, side by side where they can be, and sum up what each gave.

``./run-tests.sh`` calls this when everything is installed. Each lane's output goes to a file and,
line by line, to the terminal; its junit file is beside it.
"""

import argparse
import contextlib
import datetime
import json
import os
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from altostratus.console import INTERRUPTED, CommandParser, run_command
from altostratus.errors import AltostratusError, InputError
from tools import lanes
from tools.lanes import GATE, TOP, Lane, Selection

REPORTS = "ALTOSTRATUS_REPORTS"
"""Variable with the directory for results; each run has one of its own below it."""
DEFAULT_REPORTS = ".test-results"
# pytest's exit codes for a run that collected nothing, or deselected all, and for Ctrl-C.
NOTHING = 5
INTERRUPT = 2
# A session of its own with a third of another's share of the processors (sched(7), autogroups).
BEHIND = '[ ! -w /proc/self/autogroup ] || echo 5 > /proc/self/autogroup; exec "$@"'
# If the run itself is killed, its lanes end as by Ctrl-C: their fixtures undo what they did.
DYING = ("setpriv", "--pdeathsig", "INT", "--")


@dataclass(frozen=True)
class Outcome:
    """How a lane ended: exit code of its program, seconds, and numbers of tests."""

    lane: str
    code: int
    seconds: float
    tests: int = 0
    failed: int = 0
    skipped: int = 0

    @property
    def word(self) -> str:
        """The outcome as the table has it."""
        words = {0: "passed", INTERRUPT: "interrupted", NOTHING: "no tests"}
        return words.get(self.code, "FAILED")


class Running:
    """A lane at work: a process in a session of its own, and the thread that reads its output."""

    def __init__(self, lane: Lane, command: Sequence[str], reports: Path) -> None:
        """Start it."""
        self.lane, self.reports = lane, reports
        self.started, self.seconds = time.monotonic(), 0.0
        self._output, into = os.pipe()
        slower = ("bash", "-c", BEHIND, "-") if lane.behind else ()
        self.process = subprocess.Popen(
            [*DYING, *slower, *command],
            cwd=TOP,
            env={**os.environ, REPORTS: str(reports / lane.name)},
            stdin=subprocess.DEVNULL,
            stdout=into,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        os.close(into)
        self._reader = threading.Thread(target=self._copy)
        self._reader.start()

    def _copy(self) -> None:
        """Copy the output to the lane's log as it comes, and to our own line by line."""
        pending = b""
        with (self.reports / f"{self.lane.name}.log").open("wb", buffering=0) as log:
            while chunk := os.read(self._output, 65536):
                log.write(chunk)
                *whole, pending = (pending + chunk).split(b"\n")
                for line in whole:
                    print(f"{self.lane.name:9} | {line.decode(errors='replace')}", flush=True)
        os.close(self._output)
        self.seconds = time.monotonic() - self.started

    def interrupt(self) -> None:
        """Send what Ctrl-C in a terminal sends to the lane and to what it runs."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)

    def join(self) -> None:
        """Wait until the lane has closed its output."""
        self._reader.join()

    def outcome(self) -> Outcome:
        """Wait for the end of the lane, and return what it gave."""
        self.join()
        code = self.process.wait()
        return Outcome(self.lane.name, code, self.seconds, **counts(junit(self.reports, self.lane)))


def junit(reports: Path, lane: Lane) -> Path:
    """Return the junit file of a lane."""
    return reports / f"{lane.name}.xml"


def counts(file: Path) -> dict[str, int]:
    """Return the numbers of tests in a junit file: all, failed ones and skipped ones."""
    if not file.exists():
        return {}
    found = {"tests": 0, "failed": 0, "skipped": 0}
    # We had pytest write it.
    for suite in ElementTree.parse(file).iter("testsuite"):  # noqa: S314
        found["tests"] += int(suite.get("tests", 0))
        found["failed"] += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        found["skipped"] += int(suite.get("skipped", 0))
    return found


@dataclass(frozen=True)
class Request:
    """What the user asks for."""

    selection: Selection
    full: bool = False
    keep: bool = False

    def command(self, lane: Lane, report: Path) -> list[str]:
        """Return what runs a lane's part of it. Tests that are named are run whatever they are."""
        options = list(self.selection.options)
        if lane.functional:
            tier = () if self.full or self.selection.paths else GATE
            options = [*tier, *(("--keep",) if self.keep else ()), *options]
        return lane.command(self.selection.of(lane), options, report)


def run(chosen: Sequence[Lane], request: Request) -> int:
    """Run the lanes and print what they gave; return the exit code."""
    reports = _directory()
    print(f"Results: {reports}", flush=True)
    began, busy = time.monotonic(), _processor_time()
    outcomes: list[Outcome] = []
    interrupted = False
    try:
        for group in ([x for x in chosen if not x.functional], [x for x in chosen if x.functional]):
            if any(each.code not in (0, NOTHING) for each in outcomes):
                names = ", ".join(each.name for each in group)
                print(f"Not run, because the lanes before failed: {names or 'nothing'}")
                break
            _side_by_side(group, request, reports, outcomes)
    except KeyboardInterrupt:
        interrupted = True
    minutes = (time.monotonic() - began) / 60
    summary = Summary(tuple(outcomes), minutes, _share(busy), os.getloadavg(), interrupted)
    (reports / "summary.json").write_text(json.dumps(asdict(summary), indent=2) + "\n")
    print(table(summary))
    print(f"Results, logs and what explains failures: {reports}")
    return INTERRUPTED if interrupted else verdict(outcomes)


def _side_by_side(
    group: Sequence[Lane], request: Request, reports: Path, outcomes: list[Outcome]
) -> None:
    """Run the lanes of ``group`` to their ends, and append to ``outcomes`` what they gave."""
    running: list[Running] = []
    try:
        for lane in group:
            running.append(Running(lane, request.command(lane, junit(reports, lane)), reports))
        for each in running:
            each.join()
    except KeyboardInterrupt:
        print("Interrupted: the lanes undo what they did; this may take a minute", flush=True)
        for each in running:
            each.interrupt()
        raise
    finally:
        outcomes += [each.outcome() for each in running]


def verdict(outcomes: Sequence[Outcome]) -> int:
    """Return the exit code of a run: a lane with no test that was asked for is no failure.

    Raises InputError where no lane had one.
    """
    if any(each.code not in (0, NOTHING) for each in outcomes):
        return 1
    if all(each.code == NOTHING for each in outcomes):
        raise InputError("no test is selected", "see what -k, -m and the paths name")
    return 0


@dataclass(frozen=True)
class Summary:
    """A run: what its lanes gave, minutes, share of the processors (0 to 1), load averages."""

    outcomes: tuple[Outcome, ...]
    minutes: float
    busy: float
    load: tuple[float, float, float]
    interrupted: bool


def table(summary: Summary) -> str:
    """Return the summary as people read it."""
    lines = [f"\n{'lane':10}{'outcome':12}{'tests':>6}{'failed':>8}{'skipped':>8}{'seconds':>9}"]
    lines += [
        f"{each.lane:10}{each.word:12}{each.tests or '':>6}{each.failed or '':>8}"
        f"{each.skipped or '':>8}{each.seconds:9.0f}"
        for each in summary.outcomes
    ]
    load = " ".join(f"{each:.1f}" for each in summary.load)
    lines.append(
        f"{summary.minutes:.1f} minutes; {os.cpu_count()} processors, {summary.busy:.0%} busy; "
        f"load {load}{'; interrupted' if summary.interrupted else ''}"
    )
    return "\n".join(lines)


def _directory() -> Path:
    """Make a new directory for the results of this run."""
    top = Path(os.environ.get(REPORTS) or TOP / DEFAULT_REPORTS).absolute()
    made = top / f"{datetime.datetime.now():%Y%m%d-%H%M%S}"
    made.mkdir(parents=True)
    latest = top / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(made.name)
    return made


def _processor_time() -> tuple[int, int]:
    """Return the processors' ticks since boot, and the idle ones of them (proc_stat(5))."""
    fields = [int(each) for each in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def _share(before: tuple[int, int]) -> float:
    total, idle = (now - then for now, then in zip(_processor_time(), before, strict=True))
    return 1 - idle / max(1, total)


@contextlib.contextmanager
def _only() -> Iterator[None]:
    """Let SIGINT through, which a CI's background jobs are started to ignore."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _main(args: argparse.Namespace) -> int:
    selection = lanes.select(args.tests)
    chosen = [
        lane for lane in lanes.LANES if selection.of(lane) and not (args.unit and lane.functional)
    ]
    if any(lane.functional for lane in chosen) and os.geteuid() != 0:
        raise AltostratusError("the functional tests need root", "or: ./run-tests.sh --unit")
    if not chosen:
        raise InputError("no lane has such tests", "--unit leaves the functional tests out")
    with _only():
        return run(chosen, Request(selection, args.full, args.keep))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the tests with ``argv`` (None: the process's arguments); return the exit code."""
    parser = CommandParser(
        prog="run-tests.sh", description="Run linters, type checks and tests.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--unit", action="store_true", help="lint, types and unit tests only")
    add("--full", action="store_true", help="every functional test, not only those of the gate")
    add("--keep", action="store_true", help="leave the clouds running for a look")
    add("tests", nargs="*", metavar="PYTEST-ARGUMENT", help="after --: paths and options")
    return run_command(_main, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
