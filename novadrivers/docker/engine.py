# SPDX-License-Identifier: Apache-2.0
"""The daemon behind the socket: connection, and the facts that the driver depends on."""

import re
from dataclasses import dataclass

import docker


@dataclass(frozen=True)
class Engine:
    """What the daemon reports about itself and its node."""

    podman: bool
    version: str
    """The daemon's, as it reports it: ``20.10.24+dfsg1``."""
    api_version: tuple[int, int]
    architecture: str
    """The node's architecture as images name it: ``amd64``, ``arm64``."""
    machine: str
    """The same as ``uname -m`` names it: ``x86_64``."""
    cgroup_version: int
    storage_driver: str
    root_directory: str
    """Where images and containers are stored."""
    cpus: int
    memory: int
    """Bytes."""
    live_restore: bool
    """Whether containers keep running while the daemon is down."""

    @property
    def version_number(self) -> int:
        """The version as Nova stores it, with three digits for each part: 20.10.24 is 20010024."""
        parts = [int(part) for part in re.findall(r"\d+", self.version)[:3]]
        return sum(part * 1000 ** (2 - place) for place, part in enumerate(parts))


def connect(url: str, timeout: float | None) -> docker.APIClient:
    """Return a client of the daemon at ``url``; ``timeout`` in seconds, None to wait forever.

    Raises docker.errors.DockerException if no daemon answers.
    """
    return docker.APIClient(base_url=url, version="auto", timeout=timeout)


def describe(api: docker.APIClient) -> Engine:
    """Return what the daemon behind ``api`` reports."""
    version, info = api.version(), api.info()
    names = [component.get("Name", "") for component in version.get("Components") or []]
    major, _, minor = version["ApiVersion"].partition(".")
    podman = any("podman" in name.lower() for name in names)
    return Engine(
        podman=podman,
        version=version["Version"],
        api_version=(int(major), int(minor)),
        architecture=version["Arch"],
        machine=_machine(info["Architecture"]),
        cgroup_version=int(info.get("CgroupVersion") or 1),
        storage_driver=info["Driver"],
        root_directory=info.get("DockerRootDir") or "/",
        cpus=info["NCPU"],
        memory=info["MemTotal"],
        # podman's containers do not depend on a daemon.
        live_restore=podman or bool(info.get("LiveRestoreEnabled")),
    )


def _machine(architecture: str) -> str:
    """Return the architecture as ``uname -m`` names it; podman reports the name in images."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
