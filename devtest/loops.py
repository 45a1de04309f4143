# SPDX-License-Identifier: Apache-2.0
"""Loop devices of files below a directory.

nova-compute attaches the disks of lxc instances with plain losetup(8), without autoclear
(nova/virt/disk/mount/loop.py): such a device outlives a killed container.
"""

import json
import os
import time
from pathlib import Path

from imagebuild.errors import AltostratusError
from imagebuild.files import regular
from imagebuild.process import run

# Seconds for the kernel to free a device whose last user has ended.
TIMEOUT = 10.0


def attached(directory: Path) -> list[str]:
    """Return the loop devices (/dev/loopN) whose backing file is, or was, below ``directory``.

    Compared by device and inode: the path that the kernel shows is that of a mount namespace that
    may be gone.
    """
    columns = "NAME,BACK-INO,BACK-MAJ:MIN,BACK-FILE"
    listing = run(["losetup", "--json", "--list", "--output", columns]).stdout
    devices = json.loads(listing)["loopdevices"] if listing.strip() else []
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
        # Of a file that was deleted the path is all that there is.
        or str(device.get("back-file") or "").startswith(f"{directory}/")
    ]


def detach(directory: Path) -> None:
    """Free the loop devices of files below ``directory``; their mounts must be gone.

    The kernel may take a moment to undo the mounts of processes that were killed. Raises
    AltostratusError when a device is still in use after TIMEOUT seconds.
    """
    deadline = time.monotonic() + TIMEOUT
    while directory.exists() and (devices := attached(directory)):
        if time.monotonic() > deadline:
            raise AltostratusError(
                f"loop devices of files below {directory} are in use: {', '.join(devices)}",
                "see who mounts them: grep DEVICE /proc/*/mounts; unmount them and try again",
            )
        for device in devices:
            # It may be free by now.
            run(["losetup", "--detach", device], check=False)
        time.sleep(0.05)
