# SPDX-License-Identifier: Apache-2.0
"""The commands ``devtest node …``."""

import argparse

from altostratus import datafiles
from altostratus.console import Progress
from altostratus.errors import InputError
from devtest import clouds, undercloud
from devtest.cloud import choices, cloudfiles
from devtest.cloud.steps import Steps
from devtest.commands.common import exclusive, find, need_root, need_undercloud
from devtest.undercloud import nodes


def add(args: argparse.Namespace) -> None:
    """Build a node, start it beside the undercloud, wait until it takes servers."""
    workspace = find(args)
    need_root()
    progress = Progress(args.quiet)
    cloud, file = cloudfiles.read(args.cloud or datafiles.examples_path() / nodes.CLOUD)
    if args.cloud is None:
        file, note = choices.file(workspace, cloud.name, file)
        if note:
            progress.note(note)
            cloud, file = cloudfiles.read(file)
    if cloud.joined is None:
        raise InputError(
            f"{file} joins no cloud", "a node's cloud file has 'join: undercloud.yaml'"
        )
    with exclusive(workspace):
        need_undercloud(workspace)
        steps = Steps(workspace, cloud.name, file, progress)
        steps.make((cloud.name, file))
        name = nodes.choose(workspace, cloud.name, args.node)
        node = nodes.describe(workspace, cloud.name, name)
        with steps.step(f"start {name}"):
            steps.lift_limits(more=1)
            nodes.start(workspace, node)
            undercloud.wait_until_ready(node.spec, nodes.READY_TIMEOUT, name)
        with steps.step(f"register {name}"):
            nodes.await_registered(steps.connect(), node)
    print(f"{name}: {', '.join(node.compute_hosts)}")


def remove(args: argparse.Namespace) -> None:
    """Drain a node, stop it, remove its records and its state."""
    workspace = find(args)
    need_root()
    with exclusive(workspace), Progress(args.quiet).step("remove node"):
        need_undercloud(workspace)
        node = nodes.find(workspace, args.node)
        connection = clouds.connect(workspace, undercloud.CLOUD)
        nodes.drain(connection, node, args.delete_instances)
        nodes.forget(workspace, connection, node)
