# SPDX-License-Identifier: Apache-2.0
"""Containers that libvirt forgot.

When libvirtd dies while it destroys an lxc domain, the container's controller is dead but its init
may still run. The next libvirtd takes the domain for shut off, and nobody stops the guest.
"""

import logging
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

LOG = logging.getLogger(__name__)

PROC = Path("/proc")
SECONDS = 10.0
"""How long a killed container may take to go."""


def kill(uuid: str) -> None:
    """Kill what still runs of the container ``uuid``, and wait until it is gone.

    With its init the kernel kills all of its PID namespace.
    """
    for pid in processes(uuid):
        try:
            handle = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            # The number may belong to another process by now.
            if not _belongs(pid, uuid):
                continue
            LOG.warning("libvirt does not know the container %s any more: killing it", uuid)
            signal.pidfd_send_signal(handle, signal.SIGKILL)
            select.select([handle], [], [], SECONDS)
        except ProcessLookupError:
            pass
        finally:
            os.close(handle)


def processes(uuid: str) -> Iterator[int]:
    """Return the init of the container ``uuid``, and who has its environment from it."""
    return (int(path.name) for path in PROC.glob("[0-9]*") if _belongs(int(path.name), uuid))


def _belongs(pid: int, uuid: str) -> bool:
    """Tell by the environment that libvirt's lxc driver gives a container's init."""
    try:
        variables = Path(PROC, str(pid), "environ").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return False
    return f"LIBVIRT_LXC_UUID={uuid}".encode() in variables
