# SPDX-License-Identifier: Apache-2.0
"""The daemon behind the socket: connection, and the facts about it that decisions need."""

import re
from dataclasses import dataclass
from typing import Any

import docker


@dataclass(frozen=True)
class Engine:
    """What the daemon says about itself and its machine."""

    podman: bool
    version: str
    """Of the daemon, as it says it: ``20.10.24+dfsg1``."""
    api_version: tuple[int, int]
    architecture: str
    """Name of the machine's architecture in images: ``amd64``, ``arm64``."""
    machine: str
    """Name of the same in ``uname -m``: ``x86_64``."""
    cgroup_version: int
    storage_driver: str
    root_directory: str
    """Where images and containers are stored."""
    cpus: int
    memory: int
    """Bytes."""
    live_restore: bool
    """Whether containers go on while the daemon is away."""

    @property
    def version_number(self) -> int:
        """The version as Nova stores it: three digits for each part, 20.10.24 is 20010024."""
        parts = [int(part) for part in re.findall(r"\d+", self.version)[:3]]
        return sum(part * 1000 ** (2 - place) for place, part in enumerate(parts))


def connect(url: str, timeout: float | None) -> docker.APIClient:
    """Return a client of the daemon at ``url``; ``timeout`` in seconds, None to wait for ever.

    Raises docker.errors.DockerException where no daemon answers.
    """
    return docker.APIClient(base_url=url, version="auto", timeout=timeout)


def describe(api: Any) -> Engine:
    """Return what the daemon behind ``api`` says about itself."""
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
        # podman has no daemon that its containers could die with.
        live_restore=podman or bool(info.get("LiveRestoreEnabled")),
    )


def _machine(architecture: str) -> str:
    """Return ``uname -m``'s name; docker says that one, podman the image's."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(architecture, architecture)
