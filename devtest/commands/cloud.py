# SPDX-License-Identifier: Apache-2.0
"""The commands that bring a cloud file to a verified cloud."""

import argparse
import contextlib
from collections.abc import Iterator

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest import container, doctor, overview, undercloud
from devtest.cloud import choices, cloudfiles, heatenv
from devtest.cloud.steps import Steps
from devtest.commands.common import exclusive, find, need_if_started, need_root
from devtest.report import Report
from devtest.workspace import Workspace


def run(args: argparse.Namespace) -> int:
    """Do everything, from nothing to a verified cloud; write and print a report."""
    workspace = find(args)
    steps = prepare(args, workspace)
    steps.total = steps.count()
    steps.progress.note(overview.plan(steps))
    _check(workspace, steps)
    report = Report(cloud=steps.cloud)
    outcome = "failed"
    with exclusive(workspace):
        workspace.settings.save(workspace.state)
        try:
            steps.build()
            steps.start()
            steps.load()
            steps.deploy()
            steps.verify()
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            report.memory = container.memory(undercloud.current(workspace))
            report.finish(outcome, steps.progress.steps, steps.failed)
            path = report.save(workspace.reports)
            steps.progress.note(f"{report.text()}report: {path}" if args.verbose else report.text())
    print(overview.how_to_use(workspace, steps.cloud), end="")
    return 0


def build(args: argparse.Namespace) -> None:
    """Generate and build."""
    with _steps(args) as steps:
        steps.workspace.settings.save(steps.workspace.state)
        steps.build()


def load(args: argparse.Namespace) -> None:
    """Prepare the undercloud for the cloud."""
    with _steps(args, running=True) as steps:
        steps.load()


def deploy(args: argparse.Namespace) -> None:
    """Create or update the stack."""
    with _steps(args, running=True) as steps:
        steps.deploy()


def verify(args: argparse.Namespace) -> None:
    """Verify the cloud."""
    with _steps(args, running=True) as steps:
        steps.verify()


def prepare(args: argparse.Namespace, workspace: Workspace) -> Steps:
    """Return the steps for the cloud file, with the hypervisor type that the user asks for.

    Raises InputError for a cloud file that is wrong or that devtest cannot deploy.
    """
    progress = Progress(args.quiet)
    cloud, file = cloudfiles.read(args.cloud)
    if args.cloud is None:
        file, note = choices.file(workspace, cloud.name, file)
        if note:
            progress.note(note)
            cloud, file = cloudfiles.read(file)
    given = heatenv.read(args.heat_env) if args.heat_env else None
    earlier = choices.kept(workspace, cloud.name)
    kept = heatenv.kept(workspace, cloud.name)
    chosen = choices.hypervisor(args.hypervisor, given, earlier, kept)
    if chosen.note:
        progress.note(chosen.note)
    if chosen.type:
        cloud, file = cloudfiles.read(file, chosen.type)
    cloudfiles.check_name(cloud, file)
    routes = cloudfiles.reached(workspace.settings.undercloud_file)
    cloudfiles.check_reach(cloud, file, routes)
    return Steps(
        workspace,
        cloud.name,
        file,
        progress,
        hypervisor=chosen.type,
        heat_env=args.heat_env,
        model=cloud,
        option=chosen.option,
        verbose=args.verbose,
    )


@contextlib.contextmanager
def _steps(args: argparse.Namespace, running: bool = False) -> Iterator[Steps]:
    """Provide the steps under the lock; ``running`` if the undercloud must run for them."""
    workspace = find(args)
    need_root()
    steps = prepare(args, workspace)
    if running:
        need_if_started(workspace)
    with exclusive(workspace):
        yield steps


def _check(workspace: Workspace, steps: Steps) -> None:
    """Raise AltostratusError with everything that this machine lacks for the cloud."""
    networks = cloudfiles.reached(workspace.settings.undercloud_file)
    bad = [each for each in doctor.examine(workspace, networks, steps.model) if not each.good]
    if bad:
        raise AltostratusError(
            "this machine cannot run it yet:\n"
            + "\n".join(f"  {each.name}: {each.detail}; {each.hint}" for each in bad),
            f"devtest doctor --cloud {steps.file} shows every check",
        )
