# SPDX-License-Identifier: Apache-2.0
"""Loop devices of files below a directory, or of files that are gone.

nova-compute attaches the disks of lxc instances with plain losetup(8), without autoclear
(nova/virt/disk/mount/loop.py): such a device outlives a killed container.
"""

import contextlib
import json
import os
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from altostratus.errors import AltostratusError
from altostratus.files import regular
from altostratus.process import run
from devtest.container import processes

# Seconds for the kernel to free a device whose last user has ended.
TIMEOUT = 10.0
_DELETED = " (deleted)"
"""How the kernel marks the path of a file that has no name any more."""
# proc_pid_mountinfo(5): after the hyphen come the type and the source.
_SOURCE = re.compile(r" - \S+ (/dev/loop\d+) ")


def attached(directory: Path) -> list[str]:
    """Return the loop devices (/dev/loopN) whose backing file is, or was, below ``directory``.

    Compared by device and inode: the path that the kernel shows is that of a mount namespace that
    may be gone.
    """
    devices = _listed()
    if not devices:
        return []
    files = {
        (f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}", status.st_ino)
        for status in regular(directory)
    }
    return [
        device["name"]
        for device in devices
        if (str(device["back-maj:min"]).strip(), int(device["back-ino"])) in files
        # A file that was deleted has only its path left.
        or str(device.get("back-file") or "").startswith(f"{directory}/")
    ]


def _listed() -> list[dict[str, Any]]:
    columns = "NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE"
    listing = run(["losetup", "--json", "--list", "--output", columns]).stdout
    return list(json.loads(listing)["loopdevices"]) if listing.strip() else []


def mounted(pids: Collection[int]) -> set[str]:
    """Return the loop devices that are mounted where one of the processes ``pids`` can see it."""
    found: set[str] = set()
    for pid in pids:
        # It may end meanwhile.
        with contextlib.suppress(OSError):
            found.update(_SOURCE.findall((processes.PROC / f"{pid}/mountinfo").read_text()))
    return found


def _orphaned(candidates: Collection[str]) -> list[str]:
    """Return those of the devices ``candidates`` whose backing file was deleted."""
    return [
        device["name"]
        for device in (_listed() if candidates else [])
        if device["name"] in candidates and str(device.get("back-file")).endswith(_DELETED)
    ]


def detach(directory: Path) -> None:
    """Free the loop devices of files below ``directory``; their mounts must be gone.

    The kernel may take a moment to undo the mounts of processes that were killed. Raises
    AltostratusError when a device is still in use after TIMEOUT seconds.
    """
    if directory.exists():
        _free(lambda: attached(directory), f"of files below {directory}")


def detach_orphaned(candidates: Collection[str]) -> None:
    """Free those of the devices ``candidates`` whose file was deleted; as ``detach`` otherwise."""
    _free(lambda: _orphaned(candidates), "of deleted files")


def _free(left: Callable[[], list[str]], which: str) -> None:
    deadline = time.monotonic() + TIMEOUT
    while devices := left():
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"loop devices {which} are in use: {', '.join(devices)}",
                "see who mounts them: grep DEVICE /proc/*/mounts; unmount them and try again",
            )
        for device in devices:
            # It may be free already.
            run(["losetup", "--detach", device], check=False)
        time.sleep(0.05)
