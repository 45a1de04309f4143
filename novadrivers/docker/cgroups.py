# SPDX-License-Identifier: Apache-2.0
"""What systemd in an unprivileged container needs of the control groups."""

from dataclasses import dataclass

from novadrivers.docker.engine import Engine

WRITABLE_CGROUPS_API = (1, 48)
"""Docker 28.0: ``writable-cgroups=true`` (moby pull request 48828)."""


@dataclass(frozen=True)
class ControlGroups:
    """Settings of a container with systemd."""

    binds: tuple[str, ...] = ()
    namespace: str | None = None
    """``host``, ``private``, or None for the daemon's default."""
    security_options: tuple[str, ...] = ()


def for_systemd(engine: Engine) -> ControlGroups:
    """Return the least that lets systemd make its groups under ``engine``.

    Version 1: systemd's own hierarchy alone. Never the whole tree: a guest with SYS_ADMIN would
    remount the host's /sys/fs/cgroup read-only. Version 2: the container's own part where Docker
    can give it, else the host's tree with the host's namespace; with a private one the guest would
    take over the host's root group. podman knows systemd by its path and does all this itself.
    """
    if engine.podman:
        return ControlGroups()
    if engine.cgroup_version == 1:
        return ControlGroups(binds=("/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",))
    if engine.api_version >= WRITABLE_CGROUPS_API:
        return ControlGroups(namespace="private", security_options=("writable-cgroups=true",))
    return ControlGroups(binds=("/sys/fs/cgroup:/sys/fs/cgroup:rw",), namespace="host")
