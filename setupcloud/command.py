# SPDX-License-Identifier: Apache-2.0
"""The command line that setup-neutron, setup-flavors and register-nodes have in common."""

from pathlib import Path

from altostratus.clients.session import CREDENTIALS
from altostratus.console import CommandParser


def parser(command: str, does: str, what: str, text: str) -> CommandParser:
    """Return the parser of ``command``, which ``does`` something with a file of ``what``.

    For ``networks`` it takes ``-n/--networks networks.json``, with the help ``text``, and
    ``--dry-run``.
    """
    made = CommandParser(prog=command, description=f"{does} {CREDENTIALS}")
    made.add_argument(
        f"-{what[0]}", f"--{what}", metavar=f"{what}.json", type=Path, required=True, help=text
    )
    made.add_argument(
        "--dry-run", action="store_true", help="print what would be done and change nothing"
    )
    return made
