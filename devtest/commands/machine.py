# SPDX-License-Identifier: Apache-2.0
"""The commands about everything on this machine: status, doctor, destroy."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.jsonoutput import print_report
from devtest import clouds, container, limits, overview, settings, undercloud
from devtest import doctor as checks
from devtest.cloud import choices, cloudfiles, heatenv, removal
from devtest.commands.common import exclusive, find, need_root, need_undercloud
from devtest.container import loops, processes
from devtest.report import table
from devtest.undercloud import instances, nodes
from devtest.workspace import Workspace
from generator.cloudfile.model import Cloud

# Seconds until the user reads what is waited for, and until that is an error.
QUIET_TIME = 1.0
ORPHAN_TIMEOUT = 60.0


def status(args: argparse.Namespace) -> None:
    """Print what is there."""
    workspace = find(args)
    if args.json:
        print_report("status", overview.collect(workspace))
    else:
        print(overview.status(workspace, args.verbose), end="")


def doctor(args: argparse.Namespace) -> int:
    """Print every check; the exit code is 1 if one failed."""
    workspace = find(args)
    networks = cloudfiles.reached(workspace.settings.undercloud_file)
    findings = list(checks.examine(workspace, networks, _cloud(workspace, args.cloud)))
    good = all(each.good for each in findings)
    if args.json:
        fields = ("name", "good", "detail", "hint")
        listed = [{field: getattr(each, field) for field in fields} for each in findings]
        print_report("doctor", {"good": good, "checks": listed})
        return 0 if good else 1
    rows = [("ok" if each.good else "MISSING", each.name, each.detail) for each in findings]
    print(table(rows, ("", "check", "found")), end="")
    for each in findings:
        if not each.good:
            print(f"{each.name}: {each.hint}")
    return 0 if good else 1


def _cloud(workspace: Workspace, file: Path | None) -> Cloud:
    """Return the cloud that is meant, with the hypervisor type that was chosen for it before."""
    cloud, path = cloudfiles.read(file)
    if file is None:
        path = choices.file(workspace, cloud.name, path)[0]
    kept = heatenv.kept(workspace, cloud.name)
    chosen = choices.hypervisor(None, None, choices.kept(workspace, cloud.name), kept)
    return cloudfiles.read(path, chosen.type)[0]


def destroy(args: argparse.Namespace) -> None:
    """Remove one cloud; or stop the undercloud, remove what is on the host, remove the state."""
    workspace = find(args)
    need_root()
    if args.cloud:
        destroy_cloud(workspace, args.cloud, args)
        return
    checks.sweep(workspace.state)
    if not (workspace.state.exists() or container.belonging(workspace.state)):
        limits.release(workspace.state)
        return
    confirm(losses(workspace), args)
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
        limits.release(workspace.state)
        shutil.rmtree(workspace.state)


def destroy_cloud(workspace: Workspace, cloud: str, args: argparse.Namespace) -> None:
    """Remove one cloud; the undercloud must run to forget what it has of it."""
    removal.require(workspace, cloud)
    started = settings.is_started(workspace.state)
    if started:
        need_undercloud(workspace)
    confirm([f"the cloud {cloud}: {', '.join(_members(workspace, cloud)) or 'no instances'}"], args)
    progress = Progress(args.quiet)
    with exclusive(workspace):
        if started:
            removal.remove(workspace, cloud, progress)
        else:
            removal.forget(workspace, cloud)


def losses(workspace: Workspace) -> list[str]:
    """Return a line for each thing that ``destroy`` takes away."""
    lines = []
    for cloud in removal.known(workspace):
        members = _members(workspace, cloud)
        lines.append(
            f"the cloud {cloud}: {', '.join(members)}" if members else f"the cloud {cloud}"
        )
    lines += [f"the node {each.state.name}" for each in nodes.containers(workspace)]
    if settings.is_started(workspace.state):
        lines.append("the undercloud, with its databases and images")
    return [*lines, f"everything in {workspace.state}: disks, secrets, keys (the cache stays)"]


def _members(workspace: Workspace, cloud: str) -> list[str]:
    """Return the names of a cloud's instances as far as the undercloud can tell them."""
    if container.pid(undercloud.current(workspace)) is None:
        return []
    try:
        connection = clouds.connect(workspace, undercloud.CLOUD)
        return [each.name for each in instances.of_cloud(connection, cloud)]
    except AltostratusError:
        # It has not answered yet, or no more.
        return []


def confirm(lost: Sequence[str], args: argparse.Namespace) -> None:
    """Ask on a terminal whether what is ``lost`` may go; AltostratusError if it may not.

    Without a terminal nobody is there to ask: scripts and CI mean it.
    """
    if args.yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    print("This removes, for good:", *(f"  {line}" for line in lost), sep="\n", file=sys.stderr)
    print("Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise AltostratusError("nothing was removed", "--yes removes it without the question")


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
