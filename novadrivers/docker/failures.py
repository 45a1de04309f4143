# SPDX-License-Identifier: Apache-2.0
"""Translation of docker's and this package's errors to Nova's, so that the user gets the reason."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import os_vif.exception
import requests
from docker import errors as docker_errors
from nova import exception
from oslo_concurrency import processutils

from novadrivers.docker import errors

BAD_PARAMETER = 400
"""Docker's status for a container that it cannot make, for example with too little memory."""

P = ParamSpec("P")
R = TypeVar("R")


def translate_errors(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a driver's method: errors of docker, commands and this package become Nova's.

    After InvalidInput, ImageUnacceptable and FlavorDiskTooSmall, Nova gives up a build at once and
    their text becomes the server's fault. After most other errors it tries another host, up to
    ``[scheduler] max_attempts``; if that is above 1, the text is only in this node's log
    (ComputeManager._build_and_run_instance). ComputeManager._attach_interface deallocates a port
    only after a NovaException.
    """

    @functools.wraps(method)
    def translate(*args: P.args, **kwargs: P.kwargs) -> R:
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

    return translate


def translate_plug_errors(method: Callable[P, R]) -> Callable[P, R]:
    """Decorate a driver's method: its errors become VirtualInterfacePlugException.

    When nova-compute starts, it plugs the ports of every instance. After that exception it sets the
    instance to ERROR; any other one ends nova-compute (ComputeManager._init_instance).
    HypervisorUnavailable stays as it is, because it concerns all instances.
    """

    @functools.wraps(method)
    def plug(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except exception.HypervisorUnavailable:
            raise
        except Exception as error:
            raise exception.VirtualInterfacePlugException(str(error)) from error

    return plug
