# SPDX-License-Identifier: Apache-2.0
"""The command devtest: a local undercloud, a cloud in it, and the proof that it works."""

import argparse
import pkgutil
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altostratus.clients.errors import ServiceError, translate
from altostratus.console import CommandParser, run_command
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS
from devtest import hints

Action = Callable[[argparse.Namespace], int | None]


@dataclass(frozen=True)
class Argument:
    """An argument of a command: ``flag`` and what ``ArgumentParser.add_argument`` takes besides."""

    flag: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command: name, help, its function (``module:name`` in devtest.commands), its arguments.

    The function is imported when it is called: --help must not wait for OpenStack clients.
    """

    name: str
    help: str
    function: str
    arguments: Sequence[Argument] = ()

    def resolve(self) -> Action:
        """Return the function."""
        found: Action = pkgutil.resolve_name(f"devtest.commands.{self.function}")
        return found


@dataclass(frozen=True)
class Group:
    """A command that has commands of its own."""

    name: str
    help: str
    description: str
    commands: Sequence[Command] = field(default_factory=tuple)


def _file(flag: str, help_: str) -> Argument:
    return Argument(flag, {"type": Path, "metavar": "FILE", "help": help_})


_CLOUD = _file("--cloud", "cloud file (default: as before, at first the example overcloud.yaml)")
_DEPLOYED = Argument("--cloud", {"metavar": "NAME", "help": "this cloud alone, by its name"})
_JSON = Argument(
    "--json", {"action": "store_true", "help": "print one JSON document (docs/json.md) instead"}
)
_YES = Argument("--yes", {"action": "store_true", "help": "do not ask, also on a terminal"})
_VERBOSE = Argument(
    "--verbose", {"action": "store_true", "help": "show ids and paths of generated files, too"}
)
_HYPERVISOR = Argument(
    "--hypervisor",
    {
        "metavar": "TYPE",
        "choices": [*HYPERVISORS, "file"],
        "help": f"hypervisor type of all roles, whatever the cloud file says: "
        f"{', '.join(HYPERVISORS)}; kept for later runs of this cloud until another one is given, "
        "or 'file' (as the cloud file says)",
    },
)
_HEAT_ENV = _file(
    "--heat-env",
    'the stack\'s parameters in JSON, {"parameters": {"GlanceFlavor": "large"}}; kept for later '
    "deployments of this cloud",
)
_INSTANCE = Argument(
    "instance", {"metavar": "NAME", "help": "instance, node, or 'undercloud' for its node"}
)
_COMMAND = Argument(
    "command", {"nargs": argparse.REMAINDER, "metavar": "COMMAND", "help": "command to run"}
)
_LINES = Argument(
    "--lines",
    {"type": int, "default": 200, "metavar": "N", "help": "at most N lines (default: %(default)s)"},
)


def _node(help_: str) -> Argument:
    return Argument("node", {"nargs": "?", "metavar": "NAME", "help": help_})


COMMANDS: Sequence[Command | Group] = (
    Command(
        "run",
        "all of it: doctor, build, undercloud, load, deploy, verify",
        "cloud:run",
        (_CLOUD, _HYPERVISOR, _HEAT_ENV, _VERBOSE),
    ),
    Command(
        "build",
        "generate the stacks and build the images, also those of the undercloud",
        "cloud:build",
        (_CLOUD, _HYPERVISOR, _HEAT_ENV, _VERBOSE),
    ),
    Command(
        "load",
        "load the cloud's flavors, networks and images into the undercloud",
        "cloud:load",
        (_CLOUD, _VERBOSE),
    ),
    Command(
        "deploy",
        "create or update the cloud's stack and follow it",
        "cloud:deploy",
        (_CLOUD, _HEAT_ENV, _VERBOSE),
    ),
    Command("verify", "verify with real clients that the cloud works", "cloud:verify", (_CLOUD,)),
    Command(
        "status",
        "show the instances, stacks, the undercloud and its services",
        "machine:status",
        (_JSON, _VERBOSE),
    ),
    Command(
        "destroy",
        "stop everything and remove all of it but the cache, or remove one cloud",
        "machine:destroy",
        (_DEPLOYED, _YES),
    ),
    Command(
        "doctor",
        "check what this machine lacks for a cloud, and what to do about it",
        "machine:doctor",
        (_CLOUD, _JSON),
    ),
    Group(
        "undercloud",
        "start, stop, look into the undercloud",
        "The local undercloud: a system container of the image that build-images made.",
        (
            Command("start", "start it and wait until its services are ready", "undercloud:start"),
            Command("stop", "stop it; its data are kept", "undercloud:stop"),
            Command(
                "status", "show whether it runs and whether it is configured", "undercloud:status"
            ),
            Command(
                "enter",
                "open a root shell in it, or run a command",
                "undercloud:enter",
                (_COMMAND,),
            ),
        ),
    ),
    Group(
        "node",
        "add a hypervisor node to the undercloud, or remove one",
        "Further nodes: system containers with a nova-compute of their own.",
        (
            Command(
                "add",
                "start a node and wait until it takes servers",
                "node:add",
                (
                    _node("node (default: the cloud file's next one)"),
                    _file(
                        "--cloud",
                        "cloud file with 'join' (default: the example hypervisor-node.yaml)",
                    ),
                ),
            ),
            Command(
                "remove",
                "drain a node, stop it, remove its records",
                "node:remove",
                (
                    _node("node (default: the only one)"),
                    Argument(
                        "--delete-instances",
                        {
                            "action": "store_true",
                            "help": "delete the instances that are on it (default: refuse)",
                        },
                    ),
                ),
            ),
        ),
    ),
    Command(
        "ssh",
        "open a shell in an instance, or run a command there",
        "instance:ssh",
        (_INSTANCE, _COMMAND),
    ),
    Command(
        "logs",
        "print the journal of an instance, or its console log if SSH fails",
        "instance:logs",
        (_INSTANCE, _LINES),
    ),
)

UNDERCLOUD_OPTIONS = (
    Argument(
        "--name",
        {
            "metavar": "NAME",
            "help": "which undercloud, where several run on this machine "
            "(default: $ALTOSTRATUS_NAME, else 'altostratus')",
        },
    ),
    _file(
        "--undercloud",
        "cloud file of the undercloud, kept from its first start "
        "(default: the example undercloud.yaml)",
    ),
    Argument(
        "--transfer-network",
        {
            "metavar": "CIDR",
            "help": "the /30 between the host and the undercloud, kept likewise "
            "(default: one in 10.77.0.0/16 that is free)",
        },
    ),
)


def main(argv: Sequence[str] | None = None, program: str = "") -> int:
    """Run devtest with ``argv`` (None: the process's arguments); return the exit code.

    ``program`` is what the user types to run it (empty: found out).
    """
    name = program or hints.program(sys.argv[0])
    return run_command(lambda args: _main(args, name), parser(name), argv)


def _main(args: argparse.Namespace, program: str) -> int | None:
    chosen: Command = args.chosen
    try:
        return chosen.resolve()(args)
    except Exception as error:
        ours = translate(error, "the undercloud") or error
        if isinstance(ours, ServiceError):
            hint = "devtest undercloud status; devtest logs undercloud"
            ours = AltostratusError(ours.message, hint)
        if isinstance(ours, AltostratusError) and ours.hint:
            ours.hint = hints.complete(ours.hint, program, _given(args))
        if ours is error:
            raise
        raise ours from error


def _given(args: argparse.Namespace) -> hints.Given:
    """Return the options of ``args`` that a later command needs, too."""
    ours = [
        f"{each.flag} {shlex.quote(str(value))}"
        for each in UNDERCLOUD_OPTIONS
        if (value := getattr(args, each.flag.strip("-").replace("-", "_")))
    ]
    cloud = args.cloud if args.chosen.name in hints.OF_A_CLOUD else None
    return hints.Given(" ".join(ours), shlex.quote(str(cloud)) if cloud else "")


def parser(program: str = "devtest") -> CommandParser:
    """Return the parser of the command line; ``chosen`` is the Command."""
    made = CommandParser(
        prog=program,
        description="Run a cloud in a cloud on this machine: build images, start an undercloud in "
        "a system container, deploy a cloud file in it, verify the result.",
        epilog="State is kept in $ALTOSTRATUS_STATE, images and packages in $ALTOSTRATUS_CACHE.",
    )
    _add_arguments(made, UNDERCLOUD_OPTIONS)
    made.set_defaults(hypervisor=None, heat_env=None, verbose=False)
    commands = made.add_subparsers(required=True, metavar="COMMAND")
    for entry in COMMANDS:
        if isinstance(entry, Command):
            _add(commands, entry)
            continue
        group = commands.add_parser(entry.name, help=entry.help, description=entry.description)
        actions = group.add_subparsers(required=True, metavar="ACTION")
        for command in entry.commands:
            _add(actions, command)
    return made


def _add(commands: "argparse._SubParsersAction[CommandParser]", command: Command) -> None:
    description = f"{command.help[0].upper()}{command.help[1:]}."
    made = commands.add_parser(command.name, help=command.help, description=description)
    made.set_defaults(chosen=command)
    _add_arguments(made, command.arguments)


def _add_arguments(made: argparse.ArgumentParser, arguments: Sequence[Argument]) -> None:
    for argument in arguments:
        made.add_argument(argument.flag, **argument.options)


if __name__ == "__main__":
    sys.exit(main())
