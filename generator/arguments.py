# SPDX-License-Identifier: Apache-2.0
"""The arguments of ``generate-stacks``."""

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from altostratus.console import CommandParser
from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile.kinds import FILES


@dataclass(frozen=True)
class SecretOptions:
    """Where secrets come from that OUT does not have.

    ``joined`` is the secrets file of the joined cloud, ``recover`` are files of what the cloud was
    deployed with; with ``new``, secrets that OUT has lost are made anew.
    """

    joined: Path | None = None
    recover: Sequence[Path] = ()
    new: bool = False


class _Parser(CommandParser):
    """Wants a cloud file and what to do with it, unless a schema is asked for."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse ``args`` as argparse does, and end with its message if something is missing."""
        found = super().parse_args(args, namespace)
        if found.schema:
            if found.cloud or found.check or found.dry_run:
                self.error("--schema takes no cloud file, --check or --dry-run")
            return found
        if not found.cloud:
            self.error("the following arguments are required: CLOUD.yaml")
        if not found.output and not found.images:
            self.error("one of the arguments -o/--output --images is required")
        return found


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command."""
    made = _Parser(
        prog="generate-stacks",
        description="Generate Heat templates, networks, flavors, metadata and the image list of a "
        "cloud from its cloud file.",
        epilog="Services are those of the elements here and of the directories in $ELEMENTS_PATH.",
    )
    made.add_argument("cloud", nargs="?", metavar="CLOUD.yaml", type=Path, help="cloud file")
    _add_outputs(made)
    made.add_argument(
        "--hypervisor",
        metavar="TYPE",
        choices=list(HYPERVISORS),
        help=f"hypervisor type of all roles, whatever the file says: {', '.join(HYPERVISORS)}",
    )
    _add_secrets(made)
    instead = made.add_mutually_exclusive_group()
    instead.add_argument(
        "--check",
        action="store_true",
        help="write nothing; exit 1 if OUT is out of date",
    )
    instead.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing; print which files would be written or removed, and which lines differ",
    )
    return made


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("-o", "--output", metavar="OUT", type=Path, help="directory to write to")
    what.add_argument(
        "--images", action="store_true", help="print images.yaml alone and write nothing"
    )
    what.add_argument(
        "--schema",
        nargs="?",
        const="cloud",
        choices=list(FILES),
        metavar="KIND",
        help="print the JSON Schema of a kind of file, for editors, with the services that are "
        f"installed: {', '.join(FILES)} (default: cloud)",
    )


def _add_secrets(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--joined-secrets",
        metavar="FILE",
        type=Path,
        help="secrets.yaml of the cloud that 'join' names (default: OUT/../NAME/secrets.yaml)",
    )
    parser.add_argument(
        "--recover-secrets",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="take secrets that a running cloud has from an instance's metadata.json, or from "
        "heat-env.json of devtest; may be repeated",
    )
    parser.add_argument(
        "--new-secrets",
        action="store_true",
        help="make new secrets for those that OUT has lost; a running cloud does not accept them",
    )


def secret_options(args: argparse.Namespace) -> SecretOptions:
    """Return what ``args`` say of secrets."""
    return SecretOptions(args.joined_secrets, args.recover_secrets, args.new_secrets)


def command(args: argparse.Namespace) -> str:
    """Return the command that brings the output directory up to date, for the shell."""
    words = ["generate-stacks", args.cloud, "-o", args.output]
    words += ["--hypervisor", args.hypervisor] if args.hypervisor else []
    words += ["--joined-secrets", args.joined_secrets] if args.joined_secrets else []
    for file in args.recover_secrets:
        words += ["--recover-secrets", file]
    words += ["--new-secrets"] if args.new_secrets else []
    return shlex.join(map(str, words))
