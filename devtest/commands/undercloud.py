# SPDX-License-Identifier: Apache-2.0
"""The commands ``devtest undercloud …``."""

import argparse

from altostratus.console import Progress
from devtest import clouds, container, limits, needs, overview, undercloud
from devtest.commands.common import SHELL, become, exclusive, find, need_root, words
from devtest.undercloud import nodes


def start(args: argparse.Namespace) -> None:
    """Start the undercloud."""
    workspace = find(args)
    need_root()
    progress = Progress(args.quiet)
    with exclusive(workspace):
        workspace.settings.save(workspace.state)
        own = nodes.processes_of_all(workspace)
        for line in limits.lift(workspace.state, needs.of(workspace).guests, own):
            progress.note(line)
        with progress.step("start undercloud"):
            undercloud.start(workspace)
            clouds.register(workspace, undercloud.CLOUD, undercloud.address(workspace))
            nodes.resume(workspace)


def stop(args: argparse.Namespace) -> None:
    """Stop the undercloud."""
    workspace = find(args)
    need_root()
    with exclusive(workspace), Progress(args.quiet).step("stop undercloud"):
        nodes.suspend(workspace)
        container.stop(undercloud.current(workspace))
        limits.release(workspace.state)


def status(args: argparse.Namespace) -> int:
    """Print the undercloud's state; the exit code is 1 when it does not run."""
    spec = undercloud.current(find(args))
    print(overview.container_line(spec))
    return 0 if container.pid(spec) else 1


def enter(args: argparse.Namespace) -> None:
    """Become a command inside the undercloud."""
    become(container.enter_command(undercloud.current(find(args)), words(args.command) or SHELL))
