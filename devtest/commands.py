# SPDX-License-Identifier: Apache-2.0
"""What each subcommand of devtest does, in terms of the steps and parts in the other modules."""

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Sequence

from altostratus import datafiles, files
from altostratus.console import Progress
from altostratus.errors import AltostratusError, InputError
from altostratus.process import CommandError
from devtest import clouds, container, doctor, overview, undercloud
from devtest.cloud import chain, heatenv
from devtest.cloud.chain import Chain
from devtest.container import loops, processes
from devtest.container.spec import Spec
from devtest.report import Report, table
from devtest.undercloud import instances, nodes
from devtest.workspace import Workspace, find

NODE = undercloud.NODE
# Seconds.
TOLD_AFTER = 1.0
ORPHAN_TIMEOUT = 60.0
SHELL = ("/bin/bash", "--login")


def run(args: argparse.Namespace) -> int:
    """Do everything, from nothing to a verified cloud; write and print a report."""
    workspace = find()
    steps = _chain(args, workspace)
    _check(workspace)
    progress, cloud = steps.progress, steps.cloud
    report = Report(cloud=cloud.name)
    outcome = "failed"
    with _exclusive(workspace):
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
            report.finish(outcome, progress.steps)
            path = report.save(workspace.reports)
            rows = [*report.steps, ("all", report.seconds)]
            progress.note(table(rows, ("step", "seconds")) + f"report: {path}")
    print(overview.how_to_use(workspace, cloud.name), end="")
    return 0


def build(args: argparse.Namespace) -> None:
    """Generate and build."""
    with _steps(args) as steps:
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


def undercloud_start(args: argparse.Namespace) -> None:
    """Start the undercloud."""
    workspace = find()
    _need_root()
    with _exclusive(workspace), Progress(args.quiet).step("start undercloud"):
        undercloud.start(workspace)
        clouds.register(workspace, undercloud.CLOUD, undercloud.address(workspace))
        nodes.resume(workspace)


def undercloud_stop(args: argparse.Namespace) -> None:
    """Stop the undercloud."""
    workspace = find()
    _need_root()
    with _exclusive(workspace), Progress(args.quiet).step("stop undercloud"):
        nodes.suspend(workspace)
        container.stop(undercloud.current(workspace))


def undercloud_status(args: argparse.Namespace) -> int:
    """Print the undercloud's state; the exit code is 1 when it does not run."""
    spec = undercloud.current(find())
    print(overview.container_line(spec))
    return 0 if container.pid(spec) else 1


def undercloud_enter(args: argparse.Namespace) -> None:
    """Become a command inside the undercloud."""
    _become(container.enter_command(undercloud.current(find()), args.command or SHELL))


def node_add(args: argparse.Namespace) -> None:
    """Build a node, start it beside the undercloud, wait until it takes servers."""
    workspace = find()
    _need_root()
    cloud, file = chain.read(args.cloud or datafiles.examples_path() / nodes.CLOUD)
    if cloud.joined is None:
        raise InputError(
            f"{file} joins no cloud", "a node's cloud file has 'join: undercloud.yaml'"
        )
    progress = Progress(args.quiet)
    with _exclusive(workspace):
        _need_undercloud(workspace)
        steps = Chain(workspace, cloud, file, progress)
        steps.make((cloud.name, file))
        name = nodes.choose(workspace, cloud.name, args.name)
        node = nodes.describe(workspace, cloud.name, name)
        with steps.step(f"start {name}"):
            nodes.start(workspace, node)
            undercloud.wait_until_ready(node.spec, nodes.READY_TIMEOUT, name)
        with steps.step(f"register {name}"):
            nodes.await_registered(steps.connect(), node)
    print(f"{name}: {', '.join(node.compute_hosts)}")


def node_remove(args: argparse.Namespace) -> None:
    """Drain a node, stop it, remove its records and its state."""
    workspace = find()
    _need_root()
    with _exclusive(workspace), Progress(args.quiet).step("remove node"):
        _need_undercloud(workspace)
        node = nodes.find(workspace, args.name)
        connection = clouds.connect(workspace, undercloud.CLOUD)
        nodes.drain(connection, node, args.delete_instances)
        nodes.forget(workspace, connection, node)


def _need_undercloud(workspace: Workspace) -> None:
    if container.pid(undercloud.current(workspace)) is None:
        raise AltostratusError("the undercloud does not run", "devtest undercloud start")


def status(args: argparse.Namespace) -> None:
    """Print what is there."""
    print(overview.status(find()), end="")


def ssh(args: argparse.Namespace) -> None:
    """Become a shell or command in an instance."""
    workspace = find()
    if node := _container(workspace, args.name):
        _become(container.enter_command(node, args.command or SHELL))
    connection = clouds.connect(workspace, undercloud.CLOUD)
    instance = instances.find(connection, args.name)
    _become(instances.ssh_command(workspace, instance, args.command))


def logs(args: argparse.Namespace) -> None:
    """Print the journal of the undercloud or an instance, else its console."""
    workspace = find()
    if node := _container(workspace, args.name):
        print(_container_log(node, args.lines), end="")
        return
    connection = clouds.connect(workspace, undercloud.CLOUD)
    instance = instances.find(connection, args.name)
    try:
        print(instances.journal(workspace, instance, args.lines), end="")
    except AltostratusError as error:
        print(f"no way in ({error.message.splitlines()[0]}); its console:", file=sys.stderr)
        print(instances.console(connection, instance, args.lines), end="")


def _container(workspace: Workspace, name: str) -> Spec | None:
    """Return the container of the undercloud or a further node; None if it is no such name."""
    if name == NODE:
        return undercloud.current(workspace)
    return next((each for each in nodes.containers(workspace) if each.state.name == name), None)


def _container_log(spec: Spec, lines: int) -> str:
    if container.pid(spec) is None:
        return container.tail(spec.console, lines)
    return container.inside(spec, "journalctl", "--no-pager", f"--lines={lines}")


def destroy(args: argparse.Namespace) -> None:
    """Stop the undercloud, remove what is on the host, remove the state."""
    workspace = find()
    _need_root()
    doctor.sweep(workspace.state)
    if not (workspace.state.exists() or container.belonging(workspace.state)):
        return
    progress = Progress(args.quiet)
    with _exclusive(workspace), progress.step("destroy"):
        nodes.suspend(workspace, timeout=0)
        container.stop(undercloud.current(workspace), timeout=0)
        # Those whose own state was removed by hand.
        for lost in container.belonging(workspace.state):
            container.clean(lost)
        _await_orphans(workspace, progress)
        # Afterwards nobody could tell whose they were.
        loops.detach(workspace.state)
        shutil.rmtree(workspace.state)


def _await_orphans(workspace: Workspace, progress: Progress) -> None:
    """Wait for the tools of a devtest that was killed: they end in an orderly way.

    Raises AltostratusError for one that does not, which would go on without its files.
    """
    for pid in processes.mentioning(str(workspace.state)):
        if processes.wait_gone(pid, TOLD_AFTER):
            continue
        command = b" ".join(processes.arguments(pid)).decode(errors="replace").strip()
        progress.note(f"waiting for process {pid} to end: {command}")
        if not processes.wait_gone(pid, ORPHAN_TIMEOUT):
            raise AltostratusError(
                f"process {pid} is still at work in {workspace.state}: {command}",
                f"end it (kill {pid}), then devtest destroy again",
            )


def doctor_report(args: argparse.Namespace) -> int:
    """Print every check; the exit code is 1 if one failed."""
    findings = list(doctor.examine(find(), chain.reached()))
    rows = [("ok" if each.good else "MISSING", each.name, each.detail) for each in findings]
    print(table(rows, ("", "check", "found")), end="")
    for each in findings:
        if not each.good:
            print(f"{each.name}: {each.hint}")
    return 0 if all(each.good for each in findings) else 1


def _check(workspace: Workspace) -> None:
    bad = [each for each in doctor.examine(workspace, chain.reached()) if not each.good]
    if bad:
        raise AltostratusError(
            "this machine cannot run it yet:\n"
            + "\n".join(f"  {each.name}: {each.detail}; {each.hint}" for each in bad),
            "devtest doctor shows every check",
        )


def _need_root() -> None:
    if os.geteuid() != 0:
        raise AltostratusError("system containers need root", "run it as root")


@contextlib.contextmanager
def _exclusive(workspace: Workspace) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.lock(workspace.lock, blocking=False))
        except BlockingIOError:
            raise AltostratusError(
                f"another devtest is at work in {workspace.state}", "wait for it, or stop it"
            ) from None
        yield


@contextlib.contextmanager
def _steps(args: argparse.Namespace) -> Iterator[Chain]:
    workspace = find()
    _need_root()
    steps = _chain(args, workspace)
    with _exclusive(workspace):
        yield steps


def _chain(args: argparse.Namespace, workspace: Workspace) -> Chain:
    """Return the steps for the cloud file, with the hypervisor type that the user asks for."""
    cloud, file = chain.read(args.cloud)
    given = args.heat_env
    environment = heatenv.read(given) if given else heatenv.kept(workspace, cloud.name)
    type_ = args.hypervisor or environment.hypervisor
    if type_:
        cloud, file = chain.read(args.cloud, type_)
    chain.check_name(cloud, file)
    chain.check_reach(cloud, file)
    return Chain(workspace, cloud, file, Progress(args.quiet), type_, given)


def _become(command: Sequence[str]) -> None:
    sys.stdout.flush()
    try:
        os.execvp(command[0], list(command))  # noqa: S606
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is missing", "devtest doctor", returncode=None) from error
