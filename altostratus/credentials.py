# SPDX-License-Identifier: Apache-2.0
"""The cloud and the credentials of every command: OS_CLOUD with clouds.yaml, or OS_* variables.

openstacksdk's configuration finds them and keystoneauth uses them; their exceptions become ours.
"""

import contextlib
import os
from collections.abc import Iterator

from altostratus.errors import AltostratusError, InputError


def cloud() -> str | None:
    """Return the name of the cloud, None if OS_* variables or a lone cloud of clouds.yaml say it.

    Named, an unknown cloud is an error even where there is no clouds.yaml.
    """
    return os.environ.get("OS_CLOUD") or None


@contextlib.contextmanager
def clear_errors(service: str) -> Iterator[None]:
    """Turn the exceptions of the client libraries into ours; ``service`` is who was asked.

    Missing or wrong configuration is InputError, the rest AltostratusError.
    """
    import keystoneauth1.exceptions as keystone
    import openstack.exceptions

    try:
        yield
    except (keystone.MissingRequiredOptions, keystone.MissingAuthPlugin) as error:
        raise InputError(
            f"no credentials for OpenStack: {error}",
            "set OS_CLOUD to a cloud of your clouds.yaml, or source an openrc file",
        ) from error
    except openstack.exceptions.ConfigException as error:
        raise InputError(str(error), "see OS_CLOUD and clouds.yaml") from error
    except keystone.Unauthorized as error:
        raise refused() from error
    except keystone.EndpointNotFound as error:
        raise AltostratusError(
            f"the cloud does not have {service}: {error}",
            "is it in the catalogue? openstack catalog list",
        ) from error
    except keystone.ConnectionError as error:
        raise unreachable(service, error) from error
    except (keystone.ClientException, openstack.exceptions.SDKException) as error:
        raise AltostratusError(f"{service} answers: {error}") from error


def refused() -> AltostratusError:
    """Return the error for credentials that Keystone does not take."""
    hint = "see OS_CLOUD, clouds.yaml or OS_PASSWORD"
    return AltostratusError("OpenStack refuses the credentials", hint)


def unreachable(service: str, error: Exception) -> AltostratusError:
    """Return the error for ``service`` that gives no answer."""
    # The rest repeats it, with addresses of Python objects.
    reason = str(error).partition(": HTTP")[0]
    return AltostratusError(f"{service} is unreachable: {reason}", "is the cloud running?")
