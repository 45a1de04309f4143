# SPDX-License-Identifier: Apache-2.0
"""Containers that libvirt has lost track of.

If libvirtd dies while it destroys an lxc domain, the container's controller may be dead while its
init still runs. The next libvirtd takes the domain as shut off, and nothing stops the guest.
"""

import logging
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

LOG = logging.getLogger(__name__)

PROC = Path("/proc")
KILL_TIMEOUT_SECONDS = 10.0
"""How long a killed process may take to end."""


def kill(uuid: str) -> None:
    """Kill the remaining processes of the container ``uuid``, and wait until they have ended.

    Killing its init is enough: the kernel then kills its whole PID namespace.
    """
    for pid in processes(uuid):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            # The PID may have been reused before it was opened.
            if not _belongs(pid, uuid):
                continue
            LOG.warning("Killing the container %s, which libvirt no longer knows", uuid)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], KILL_TIMEOUT_SECONDS)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def processes(uuid: str) -> Iterator[int]:
    """Return the PIDs of the container's init and of processes that inherited its environment."""
    return (int(path.name) for path in PROC.glob("[0-9]*") if _belongs(int(path.name), uuid))


def _belongs(pid: int, uuid: str) -> bool:
    """Tell by the environment, which libvirt's lxc driver sets for a container's init."""
    try:
        variables = Path(PROC, str(pid), "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return False
    return f"LIBVIRT_LXC_UUID={uuid}".encode() in variables
