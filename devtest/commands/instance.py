# SPDX-License-Identifier: Apache-2.0
"""The commands that look into an instance, a node or the undercloud."""

import argparse
import sys

from altostratus.errors import AltostratusError
from devtest import clouds, container, undercloud
from devtest.commands.common import (
    SHELL,
    become,
    container_named,
    find,
    need_if_started,
    remote,
    words,
)
from devtest.container.spec import Spec
from devtest.undercloud import instances


def ssh(args: argparse.Namespace) -> None:
    """Become a shell or command in an instance."""
    workspace = find(args)
    if node := container_named(workspace, args.instance):
        become(container.enter_command(node, words(args.command) or SHELL))
    connection = clouds.connect(workspace, undercloud.CLOUD)
    need_if_started(workspace)
    instance = instances.find(connection, args.instance)
    become(instances.ssh_command(workspace, instance, remote(args.command), sys.stdin.isatty()))


def logs(args: argparse.Namespace) -> None:
    """Print the journal of a node or an instance, or an instance's console log if SSH fails."""
    workspace = find(args)
    if node := container_named(workspace, args.instance):
        print(_journal(node, args.lines), end="")
        return
    connection = clouds.connect(workspace, undercloud.CLOUD)
    need_if_started(workspace)
    instance = instances.find(connection, args.instance)
    try:
        print(instances.journal(workspace, instance, args.lines), end="")
    except AltostratusError as error:
        print(f"no SSH ({error.message.splitlines()[0]}); its console log:", file=sys.stderr)
        print(instances.console(connection, instance, args.lines), end="")


def _journal(spec: Spec, lines: int) -> str:
    if container.pid(spec) is None:
        return container.tail(spec.console, lines)
    return container.inside(spec, "journalctl", "--no-pager", f"--lines={lines}")
