# SPDX-License-Identifier: Apache-2.0
"""The commands about everything on this machine: status, doctor, destroy."""

import argparse
import shutil
from pathlib import Path

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest import container, overview, undercloud
from devtest import doctor as checks
from devtest.cloud import cloudfiles
from devtest.commands.common import exclusive, find, need_root
from devtest.container import loops, processes
from devtest.report import table
from devtest.undercloud import nodes

# Seconds until the user reads what is waited for, and until that is an error.
QUIET_TIME = 1.0
ORPHAN_TIMEOUT = 60.0


def status(args: argparse.Namespace) -> None:
    """Print what is there."""
    print(overview.status(find(args)), end="")


def doctor(args: argparse.Namespace) -> int:
    """Print every check; the exit code is 1 if one failed."""
    workspace = find(args)
    networks = cloudfiles.reached(workspace.settings.undercloud_file)
    findings = list(checks.examine(workspace, networks))
    rows = [("ok" if each.good else "MISSING", each.name, each.detail) for each in findings]
    print(table(rows, ("", "check", "found")), end="")
    for each in findings:
        if not each.good:
            print(f"{each.name}: {each.hint}")
    return 0 if all(each.good for each in findings) else 1


def destroy(args: argparse.Namespace) -> None:
    """Stop the undercloud, remove what is on the host, remove the state."""
    workspace = find(args)
    need_root()
    checks.sweep(workspace.state)
    if not (workspace.state.exists() or container.belonging(workspace.state)):
        return
    progress = Progress(args.quiet)
    with exclusive(workspace), progress.step("destroy"):
        nodes.suspend(workspace, timeout=0)
        container.stop(undercloud.current(workspace), timeout=0)
        # Those whose own state was removed by hand.
        for lost in container.belonging(workspace.state):
            container.clean(lost)
        await_orphans(workspace.state, progress)
        # Without the state nobody could tell whose loop devices they are.
        loops.detach(workspace.state)
        shutil.rmtree(workspace.state)


def await_orphans(state: Path, progress: Progress) -> None:
    """Wait for programs that a killed devtest left at work in ``state``: they clean up and end.

    Raises AltostratusError for one that does not end, and would go on without its files.
    """
    for pid in processes.mentioning(str(state)):
        if processes.wait_gone(pid, QUIET_TIME):
            continue
        command = b" ".join(processes.arguments(pid)).decode(errors="replace").strip()
        progress.note(f"waiting for process {pid} to end: {command}")
        if not processes.wait_gone(pid, ORPHAN_TIMEOUT):
            raise AltostratusError(
                f"process {pid} is still at work in {state}: {command}",
                f"end it (kill {pid}), then devtest destroy again",
            )
