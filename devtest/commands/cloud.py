# SPDX-License-Identifier: Apache-2.0
"""The commands that bring a cloud file to a verified cloud."""

import argparse
import contextlib
from collections.abc import Iterator

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest import container, doctor, overview, undercloud
from devtest.cloud import cloudfiles, heatenv
from devtest.cloud.steps import Steps
from devtest.commands.common import exclusive, find, need_root
from devtest.report import Report
from devtest.workspace import Workspace


def run(args: argparse.Namespace) -> int:
    """Do everything, from nothing to a verified cloud; write and print a report."""
    workspace = find(args)
    steps = prepare(args, workspace)
    _check(workspace)
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
            steps.progress.note(f"{report.text()}report: {path}")
    print(overview.how_to_use(workspace, steps.cloud), end="")
    return 0


def build(args: argparse.Namespace) -> None:
    """Generate and build."""
    with _steps(args) as steps:
        steps.workspace.settings.save(steps.workspace.state)
        steps.build()


def load(args: argparse.Namespace) -> None:
    """Prepare the undercloud for the cloud."""
    with _steps(args) as steps:
        steps.load()


def deploy(args: argparse.Namespace) -> None:
    """Create or update the stack."""
    with _steps(args) as steps:
        steps.deploy()


def verify(args: argparse.Namespace) -> None:
    """Verify the cloud."""
    with _steps(args) as steps:
        steps.verify()


def prepare(args: argparse.Namespace, workspace: Workspace) -> Steps:
    """Return the steps for the cloud file, with the hypervisor type that the user asks for.

    Raises InputError for a cloud file that is wrong or that devtest cannot deploy.
    """
    cloud, file = cloudfiles.read(args.cloud)
    given = args.heat_env
    environment = heatenv.read(given) if given else heatenv.kept(workspace, cloud.name)
    type_ = args.hypervisor or environment.hypervisor
    if type_:
        cloud, file = cloudfiles.read(args.cloud, type_)
    cloudfiles.check_name(cloud, file)
    routes = cloudfiles.reached(workspace.settings.undercloud_file)
    cloudfiles.check_reach(cloud, file, routes)
    return Steps(workspace, cloud.name, file, Progress(args.quiet), type_, given)


@contextlib.contextmanager
def _steps(args: argparse.Namespace) -> Iterator[Steps]:
    workspace = find(args)
    need_root()
    steps = prepare(args, workspace)
    with exclusive(workspace):
        yield steps


def _check(workspace: Workspace) -> None:
    """Raise AltostratusError with everything that this machine lacks."""
    networks = cloudfiles.reached(workspace.settings.undercloud_file)
    bad = [each for each in doctor.examine(workspace, networks) if not each.good]
    if bad:
        raise AltostratusError(
            "this machine cannot run it yet:\n"
            + "\n".join(f"  {each.name}: {each.detail}; {each.hint}" for each in bad),
            "devtest doctor shows every check",
        )
