# SPDX-License-Identifier: Apache-2.0
"""Control group settings that systemd needs in an unprivileged container."""

from dataclasses import dataclass

from novadrivers.docker.engine import Engine

WRITABLE_CGROUPS_API = (1, 48)
"""Docker 28.0, the first with ``writable-cgroups=true`` (moby pull request 48828)."""


@dataclass(frozen=True)
class ControlGroups:
    """Control group settings of a container."""

    binds: tuple[str, ...] = ()
    namespace: str | None = None
    """``host``, ``private``, or None for the daemon's default."""
    security_options: tuple[str, ...] = ()


def for_systemd(engine: Engine) -> ControlGroups:
    """Return the least privileged settings under which systemd can create its groups.

    Version 1: only systemd's own hierarchy. With the whole tree, a guest with SYS_ADMIN could
    remount the host's /sys/fs/cgroup read-only. Version 2: only the container's own subtree if
    Docker supports it, else the host's tree in the host's namespace; in a private namespace the
    guest would take over the host's root group. podman recognizes systemd by its path and does all
    of this itself.
    """
    if engine.podman:
        return ControlGroups()
    if engine.cgroup_version == 1:
        return ControlGroups(binds=("/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",))
    if engine.api_version >= WRITABLE_CGROUPS_API:
        return ControlGroups(namespace="private", security_options=("writable-cgroups=true",))
    return ControlGroups(binds=("/sys/fs/cgroup:/sys/fs/cgroup:rw",), namespace="host")
