# SPDX-License-Identifier: Apache-2.0
"""The command devtest: a local undercloud, a cloud in it, and the proof that it works."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from altostratus.clients.errors import ServiceError, translate
from altostratus.console import CommandParser, run_command
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS

Action = Callable[[argparse.Namespace], int | None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run devtest with ``argv`` (None: the process's arguments); return the exit code."""
    return run_command(_main, _parser(), argv)


def _main(args: argparse.Namespace) -> int | None:
    # Imported late: --help must not wait for OpenStack clients.
    from devtest import commands

    action: Action = getattr(commands, args.action)
    try:
        return action(args)
    except Exception as error:
        ours = translate(error, "the undercloud") or error
        if isinstance(ours, ServiceError):
            hint = "devtest undercloud status; devtest logs undercloud"
            raise AltostratusError(ours.message, hint) from error
        if ours is error:
            raise
        raise ours from error


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser(
        prog="devtest",
        description="Run a cloud in a cloud on this machine: build images, start an undercloud in "
        "a system container, deploy a cloud file in it, verify the result.",
        epilog="State is kept in $ALTOSTRATUS_STATE, images and packages in $ALTOSTRATUS_CACHE.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, summary in _CLOUD_COMMANDS.items():
        command = _add(commands, name, summary)
        command.add_argument(
            "--cloud",
            type=Path,
            metavar="FILE",
            help="cloud file (default: the example overcloud.yaml)",
        )
        _add_choices(command, name)
    for name, summary in _PLAIN_COMMANDS.items():
        _add(commands, name, summary)
    _add_undercloud(commands)
    _add_node(commands)
    ssh = _add(commands, "ssh", "open a shell in an instance, or run a command there")
    ssh.add_argument("name", metavar="NAME", help=_INSTANCE)
    ssh.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run")
    logs = _add(commands, "logs", "print the journal of an instance, its console if it is mute")
    logs.add_argument("name", metavar="NAME", help=_INSTANCE)
    logs.add_argument(
        "--lines", type=int, default=200, metavar="N", help="at most N lines (default: %(default)s)"
    )
    return parser


def _add_choices(command: argparse.ArgumentParser, name: str) -> None:
    """Add the options of commands that generate the stacks, or deploy them."""
    command.set_defaults(hypervisor=None, heat_env=None)
    if name in ("run", "build"):
        command.add_argument(
            "--hypervisor",
            metavar="TYPE",
            choices=list(HYPERVISORS),
            help="hypervisor type of all roles, whatever the cloud file says: "
            + ", ".join(HYPERVISORS),
        )
    if name in ("run", "build", "deploy"):
        command.add_argument(
            "--heat-env",
            type=Path,
            metavar="FILE",
            help='the stack\'s parameters in JSON, {"parameters": {"KeystoneCount": 2}}; kept for '
            "later deployments of this cloud",
        )


_INSTANCE = "instance, node, or 'undercloud' for the undercloud's node"
_CLOUD_COMMANDS = {
    "run": "all of it: doctor, build, undercloud, load, deploy, verify",
    "build": "generate the stacks and build the images, of the undercloud too",
    "load": "give the undercloud the cloud's flavors, networks and images",
    "deploy": "create or update the cloud's stack and follow it",
    "verify": "prove with the real clients that the cloud works",
}
_PLAIN_COMMANDS = {
    "status": "show the undercloud, its services, stacks and instances",
    "destroy": "stop everything and remove all of it but the cache",
    "doctor": "say what this machine lacks, and what to do about it",
}
_UNDERCLOUD_COMMANDS = {
    "start": "start it and wait until its services answer",
    "stop": "stop it; its data stay",
    "status": "say whether it runs and how its configuration went",
    "enter": "open a root shell in it, or run a command",
}


def _add(
    commands: "argparse._SubParsersAction[CommandParser]", name: str, summary: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    command.set_defaults(action="doctor_report" if name == "doctor" else name)
    return command


def _add_undercloud(
    commands: "argparse._SubParsersAction[CommandParser]",
) -> None:
    parent = commands.add_parser(
        "undercloud",
        help="start, stop, look into the undercloud",
        description="The local undercloud: a system container of the image that build-images made.",
    )
    actions = parent.add_subparsers(required=True, metavar="ACTION")
    for name, summary in _UNDERCLOUD_COMMANDS.items():
        action = _add(actions, name, summary)
        action.set_defaults(action=f"undercloud_{name}")
        if name == "enter":
            action.add_argument(
                "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="what to run"
            )


def _add_node(commands: "argparse._SubParsersAction[CommandParser]") -> None:
    parent = commands.add_parser(
        "node",
        help="add a hypervisor node to the undercloud, or remove one",
        description="Further nodes: system containers with a nova-compute of their own.",
    )
    actions = parent.add_subparsers(required=True, metavar="ACTION")
    add = _add(actions, "add", "start a node and wait until it takes servers")
    remove = _add(actions, "remove", "drain a node, stop it, remove its records")
    for action, command in (("add", add), ("remove", remove)):
        command.set_defaults(action=f"node_{action}")
    add.add_argument(
        "name", nargs="?", metavar="NAME", help="node (default: the cloud file's next one)"
    )
    add.add_argument(
        "--cloud",
        type=Path,
        metavar="FILE",
        help="cloud file with 'join' (default: the example hypervisor-node.yaml)",
    )
    remove.add_argument("name", nargs="?", metavar="NAME", help="node (default: the only one)")
    remove.add_argument(
        "--delete-instances",
        action="store_true",
        help="delete the instances that are on it (default: refuse)",
    )


if __name__ == "__main__":
    sys.exit(main())
