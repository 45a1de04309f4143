# SPDX-License-Identifier: Apache-2.0
"""Which of Nova's errors the errors of docker, commands and the driver become."""

from typing import Any

import fakenova
import pytest
import requests
from docker import errors as docker_errors
from fakedaemon import api_error
from oslo_concurrency.processutils import ProcessExecutionError

from novadrivers.docker import errors

DISK = OSError(28, "No space left on device")
ERRORS = [
    (errors.NoContainer("u1", "nova-u1"), "InstanceNotFound", "u1"),
    (errors.ImageTooBig(2, 1), "FlavorDiskSmallerThanImage", "1 2"),
    (errors.UnusableFlavor("no"), "InvalidInput", "no"),
    (errors.UnusablePort("no"), "InvalidInput", "no"),
    (errors.UnusableImage("no"), "NovaException", "no"),
    (fakenova.OsVifException("no bridge"), "NovaException", "no bridge"),
    (api_error(400, "too little memory"), "InvalidInput", "docker: too little memory"),
    (api_error(500, "no"), "NovaException", "docker: no"),
    (docker_errors.DockerException("no"), "HypervisorUnavailable", "does not answer: no"),
    (requests.ConnectionError("refused"), "HypervisorUnavailable", "does not answer: refused"),
    (ProcessExecutionError(stderr="RTNETLINK: busy", cmd="ip link"), "NovaException", "busy"),
    (DISK, "NovaException", "No space left on device"),
]


@pytest.fixture
def failures(monkeypatch: pytest.MonkeyPatch) -> Any:
    return fakenova.load(monkeypatch, "docker.failures", {})


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("error", "name", "text"), ERRORS)
def test_errors_are_novas_with_their_text(
    failures: Any, error: Exception, name: str, text: str
) -> None:
    with pytest.raises(fakenova.NovaException) as caught:
        failures.translate_errors(fail)(error)
    assert type(caught.value).__name__ == name
    assert text in str(caught.value)
    assert caught.value.__cause__ is error


def test_novas_own_errors_stay(failures: Any) -> None:
    own = fakenova.NovaException("no")
    with pytest.raises(fakenova.NovaException) as caught:
        failures.translate_errors(fail)(own)
    assert caught.value is own


@pytest.mark.parametrize("error", [*(row[0] for row in ERRORS), KeyError("id"), ValueError("mtu")])
def test_ports_of_one_instance_end_no_nova_compute(failures: Any, error: Exception) -> None:
    """One exception concerns a single instance for Nova, the other one the whole node."""
    with pytest.raises(fakenova.NovaException) as caught:
        failures.translate_plug_errors(failures.translate_errors(fail))(error)
    away = isinstance(error, docker_errors.DockerException | requests.ConnectionError)
    away = away and not isinstance(error, docker_errors.APIError)
    expected = "HypervisorUnavailable" if away else "VirtualInterfacePlugException"
    assert type(caught.value).__name__ == expected
