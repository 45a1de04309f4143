# SPDX-License-Identifier: Apache-2.0
"""What the commands have in common that bring a file to the cloud of ``OS_CLOUD`` or ``OS_*``."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from altostratus import credentials
from altostratus.console import CommandParser

CREDENTIALS = (
    "The cloud and the credentials are those of OS_CLOUD and clouds.yaml, or of OS_* variables."
)
"""For the help text of commands."""


def parser(command: str, does: str, what: str, text: str) -> CommandParser:
    """Return the parser of ``command``, which ``does`` something with a file of ``what``.

    ``networks`` gives it ``-n/--networks networks.json``, with the help ``text``, and
    ``--dry-run``.
    """
    made = CommandParser(prog=command, description=f"{does} {CREDENTIALS}")
    made.add_argument(
        f"-{what[0]}", f"--{what}", metavar=f"{what}.json", type=Path, required=True, help=text
    )
    made.add_argument(
        "--dry-run", action="store_true", help="say what would be done and change nothing"
    )
    return made


@contextmanager
def connected(command: str, service: str) -> Iterator[Any]:
    """Yield an openstacksdk connection for ``command``; ``service`` is what it talks to.

    What the SDK raises inside is ours, as ``altostratus.credentials`` says.
    """
    # Imported here: it takes a second, and --help must not.
    import openstack

    with (
        credentials.clear_errors(service),
        openstack.connect(cloud=credentials.cloud(), app_name=command) as connection,
    ):
        yield connection
