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

Method = TypeVar("Method", bound=Callable[..., Any])


def translated(method: Method) -> Method:
    """Make a driver's method raise Nova's exceptions only."""

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
        except (errors.DockerDriverError, os_vif.exception.ExceptionBase) as error:
            raise exception.NovaException(str(error)) from error
        except docker_errors.APIError as error:
            raise exception.NovaException(f"docker: {error.explanation or error}") from error
        except (docker_errors.DockerException, requests.exceptions.RequestException) as error:
            raise exception.NovaException(f"docker does not answer: {error}") from error

    return translate  # type: ignore[return-value]
