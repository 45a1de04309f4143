# SPDX-License-Identifier: Apache-2.0
"""A connection to the cloud of ``OS_CLOUD`` or ``OS_*`` variables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagebuild import credentials

CREDENTIALS = (
    "The cloud and the credentials are those of OS_CLOUD and clouds.yaml, or of OS_* variables."
)
"""For the help text of commands."""


@contextmanager
def connected(command: str, service: str) -> Iterator[Any]:
    """Yield an openstacksdk connection for ``command``; ``service`` is what it talks to.

    What the SDK raises inside is ours, as ``imagebuild.credentials`` says.
    """
    # Imported here: it takes a second, and --help must not.
    import openstack

    with (
        credentials.clear_errors(service),
        openstack.connect(cloud=credentials.cloud(), app_name=command) as connection,
    ):
        yield connection
