# SPDX-License-Identifier: Apache-2.0
"""Errors of docker and of this package as Nova's, so that the user sees the reason."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import os_vif.exception
import requests
from docker import errors as docker_errors
from nova import exception

from novadrivers.docker import errors

BAD_PARAMETER = 400
"""Docker's answer to a container that it cannot make, such as with too little memory."""

Method = TypeVar("Method", bound=Callable[..., Any])


def translated(method: Method) -> Method:
    """Make a driver's method raise Nova's exceptions only.

    InvalidInput and ImageUnacceptable end a build at once and their text is the server's fault;
    after any other exception Nova tries the next host, and the text is in this node's log alone.
    """

    @functools.wraps(method)
    def translate(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except errors.NoContainer as error:
            raise exception.InstanceNotFound(instance_id=error.uuid) from error
        except errors.ImageTooBig as error:
            raise exception.FlavorDiskSmallerThanImage(
                flavor_size=error.given, image_size=error.needed
            ) from error
        except (errors.UnusableFlavor, errors.UnusablePort) as error:
            raise exception.InvalidInput(reason=str(error)) from error
        except (errors.DockerDriverError, os_vif.exception.ExceptionBase) as error:
            raise exception.NovaException(str(error)) from error
        except docker_errors.APIError as error:
            reason = f"docker: {error.explanation or error}"
            if error.status_code == BAD_PARAMETER:
                raise exception.InvalidInput(reason=reason) from error
            raise exception.NovaException(reason) from error
        except (docker_errors.DockerException, requests.exceptions.RequestException) as error:
            raise exception.HypervisorUnavailable(f"docker does not answer: {error}") from error

    return translate  # type: ignore[return-value]
