# SPDX-License-Identifier: Apache-2.0
"""What libvirt has lost track of: containers, and groups that they made.

If libvirtd dies while it destroys an lxc domain, the container's controller may be dead while its
init still runs. The next libvirtd takes the domain as shut off, and nothing stops the guest.
"""

import contextlib
import logging
import os
import select
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from oslo_concurrency import processutils

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


def forget_cgroups(domain: str = "") -> None:
    """Remove the control groups of a container that has ended; empty: of all that have ended.

    See :mod:`novadrivers.libvirt.cgroups`. An error is logged: a delete must not fail here.
    """
    command = (
        sys.executable,
        "-I",
        "-m",
        "novadrivers.libvirt.cgroups",
        *([domain] * bool(domain)),
    )
    try:
        processutils.execute("unshare", "--mount", "--propagation", "private", *command)
    except (processutils.ProcessExecutionError, OSError) as error:
        LOG.warning("Cannot remove the control groups of %s: %s", domain or "containers", error)


def has_child(pid: int) -> bool:
    """Tell whether the process ``pid`` has a child that lives: proc_pid_stat(5).

    A container's controller has one, its init. If that ends before the controller waits for it, the
    controller stays, and libvirt takes the domain as running.
    """
    for path in PROC.glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before them may have spaces and parentheses.
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == pid and state not in "ZX":
                return True
    return False


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
