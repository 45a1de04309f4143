# SPDX-License-Identifier: Apache-2.0
"""Errors of docker and of this package as Nova's, so that the user sees the reason."""

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import os_vif.exception
import requests
from docker import errors as docker_errors
from nova import exception
from oslo_concurrency import processutils

from novadrivers.docker import errors

BAD_PARAMETER = 400
"""Docker's answer to a container that it cannot make, such as with too little memory."""

Method = TypeVar("Method", bound=Callable[..., Any])


def translated(method: Method) -> Method:
    """Make a driver's method raise errors of docker, of commands and of this package as Nova's.

    InvalidInput, ImageUnacceptable and FlavorDiskTooSmall end a build at once and their text is the
    server's fault; after most others Nova tries the next host as often as [scheduler]max_attempts
    says, and once that is above 1 the text is in this node's log alone
    (ComputeManager._build_and_run_instance). ComputeManager._attach_interface gives a port back
    only after a NovaException.
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
        except (processutils.ProcessExecutionError, OSError) as error:
            raise exception.NovaException(str(error)) from error

    return translate  # type: ignore[return-value]


def plugging(method: Method) -> Method:
    """Make a driver's method raise what Nova takes for the fault of one instance.

    nova-compute plugs the ports of each instance when it starts and ends at whatever is not a
    VirtualInterfacePlugException (ComputeManager._init_instance), which puts that instance into
    ERROR. A daemon that is away is not an instance's fault.
    """

    @functools.wraps(method)
    def plug(*args: Any, **kwargs: Any) -> Any:
        try:
            return method(*args, **kwargs)
        except exception.HypervisorUnavailable:
            raise
        except Exception as error:
            raise exception.VirtualInterfacePlugException(str(error)) from error

    return plug  # type: ignore[return-value]
