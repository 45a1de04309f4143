# SPDX-License-Identifier: Apache-2.0
"""A connection to the cloud of ``OS_CLOUD`` or ``OS_*`` variables, and its errors with hints."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imagebuild.errors import AltostratusError

CREDENTIALS = (
    "The cloud and the credentials are those of OS_CLOUD and clouds.yaml, or of OS_* variables."
)
"""For the help text of commands."""


@contextmanager
def connected(command: str, service: str) -> Iterator[Any]:
    """Yield an openstacksdk connection for ``command``; ``service`` is what it talks to.

    What the SDK raises inside becomes AltostratusError: no credentials, wrong ones, no answer, or
    what ``service`` refuses, in its own words.
    """
    # Imported here: it takes a second, and --help must not.
    import openstack

    with _errors(service), openstack.connect(app_name=command) as connection:
        yield connection


@contextmanager
def _errors(service: str) -> Iterator[None]:
    import keystoneauth1.exceptions
    import openstack.exceptions

    credentials = "set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL and the like"
    try:
        yield
    except (
        openstack.exceptions.ConfigException,
        keystoneauth1.exceptions.MissingRequiredOptions,
        keystoneauth1.exceptions.MissingAuthPlugin,
    ) as error:
        raise AltostratusError(f"no credentials: {error}", credentials) from error
    except keystoneauth1.exceptions.Unauthorized as error:
        raise AltostratusError("Keystone refuses the credentials", credentials) from error
    except keystoneauth1.exceptions.ClientException as error:
        message = f"cannot reach the cloud: {error}"
        raise AltostratusError(message, "is the undercloud running?") from error
    except openstack.exceptions.SDKException as error:
        raise AltostratusError(f"{service} refused: {error}") from error
