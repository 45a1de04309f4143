# SPDX-License-Identifier: Apache-2.0
"""What explains a failure, saved while it is still there: a directory for each failed test.

It has the test's own output, logs of builds and containers, the state of the undercloud, its
journal and those of further nodes, and the consoles of all instances.
"""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from devtest import clouds, container, undercloud, workspace
from devtest.container.spec import Spec
from devtest.undercloud import instances, nodes
from devtest.workspace import Workspace

TOP = Path(__file__).parents[2]
# The first failures explain the others.
MOST = 8
LINES = 20000
CONSOLE_LINES = 1000
# Seconds: an undercloud that does not answer must not hold the tests up.
PATIENCE = 180
# Logs in the tests' own directory: bytes, and seconds since their last line.
LOG_SIZE = 8 * 1024**2
LOG_AGE = 1800


def directory() -> Path:
    """Return where this session's evidence goes (see tools/testrun.py)."""
    return Path(os.environ.get("ALTOSTRATUS_REPORTS") or TOP / ".test-results")


def save(report: pytest.TestReport, scratch: Path | None) -> Path | None:
    """Save what explains a failed test, and return the directory; None: there are enough."""
    top = directory() / "failures"
    if top.is_dir() and len(list(top.iterdir())) >= MOST:
        return None
    name = re.sub(r"[^\w.-]+", "-", report.nodeid.removeprefix("tests/functional/")).strip("-")
    place = top / f"{name}-{report.when}"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    sections = "".join(f"\n==== {title}\n{text}" for title, text in report.sections)
    (place / "test.txt").write_text(f"{report.longreprtext}\n{sections}")
    if scratch:
        _copy_logs(scratch, place)
    command = [sys.executable, __file__, str(place)]
    with contextlib.suppress(subprocess.TimeoutExpired):
        path = f"{TOP}:{os.environ.get('PYTHONPATH', '')}"
        environment = {**os.environ, "PYTHONPATH": path}
        subprocess.run(command, capture_output=True, timeout=PATIENCE, env=environment, cwd=TOP)
    return place


def _copy_logs(scratch: Path, place: Path) -> None:
    """Copy what builds, containers and machines below ``scratch`` have written lately."""
    recent = time.time() - LOG_AGE
    for path in [*scratch.rglob("*.log"), *scratch.rglob("console")]:
        # They may go while we look.
        with contextlib.suppress(OSError):
            status = path.stat()
            if path.is_file() and status.st_size < LOG_SIZE and status.st_mtime > recent:
                shutil.copy(path, place / str(path.relative_to(scratch)).replace("/", "-"))


def save_clouds(there: Workspace, place: Path) -> None:
    """Save the state of the undercloud, its nodes and its instances, each as far as it goes."""
    command = [sys.executable, "-m", "devtest.main", "status"]
    with (place / "status.txt").open("w") as file, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdout=file, stderr=file, timeout=60)
    machines = [("undercloud", undercloud.current(there))]
    machines += [(each.state.name, each) for each in nodes.containers(there)]
    for name, spec in machines:
        _save_node(name, spec, place)
    connection = clouds.connect(there, undercloud.CLOUD)
    for each in instances.list_instances(connection):
        text = instances.console(connection, each, CONSOLE_LINES)
        (place / f"{each.cloud}-{each.name}.console").write_text(text)


def _save_node(name: str, spec: Spec, place: Path) -> None:
    for log in (spec.console, spec.log):
        if log.exists():
            shutil.copy(log, place / f"{name}-{log.name}")
    if container.pid(spec):
        command = ["journalctl", "--no-pager", "--output=short-precise", f"--lines={LINES}"]
        with (place / f"{name}.journal").open("w") as file:
            subprocess.run(container.enter_command(spec, command), stdout=file, timeout=60)


def main() -> None:
    """Save into the directory argv[1] what there is of the clouds in $ALTOSTRATUS_STATE."""
    if "ALTOSTRATUS_STATE" in os.environ and (found := workspace.find()).state.exists():
        save_clouds(found, Path(sys.argv[1]))


if __name__ == "__main__":
    main()
