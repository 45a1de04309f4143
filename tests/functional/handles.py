# SPDX-License-Identifier: Apache-2.0
"""Files of a node opened from inside its instances, by handle: open_by_handle_at(2).

Every file of a file system can be opened so, wherever it is, by who has CAP_DAC_READ_SEARCH and one
directory of the file system: for an instance, its config drive.
"""

import ctypes
import errno
import os
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import traces

from devtest import undercloud
from devtest.workspace import Workspace

CONFIG_DRIVE = "/var/lib/cloud/seed/config_drive"
SECRET = "read by handle"
REFUSED = f"errno {errno.EPERM}"
# Capabilities by their number, capabilities(7): what nothing in a container needs.
HARMFUL = {"sys_ptrace": 19, "sys_rawio": 17, "dac_read_search": 2, "syslog": 34}
AT_FDCWD = -100
# Arguments: a directory of the file system, the handle's type, the handle.
PROGRAM = """
import ctypes, os, sys
data = bytes.fromhex(sys.argv[3])
class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("kind", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]
handle = Handle(len(data), int(sys.argv[2]), (ctypes.c_ubyte * 128)(*data))
libc = ctypes.CDLL(None, use_errno=True)
top = os.open(sys.argv[1], os.O_RDONLY)
file = libc.open_by_handle_at(top, ctypes.byref(handle), os.O_RDONLY)
print(os.read(file, 100).decode() if file >= 0 else f"errno {ctypes.get_errno()}", end="")
"""


class _Handle(ctypes.Structure):
    _fields_ = (
        ("bytes", ctypes.c_uint),
        ("kind", ctypes.c_int),
        ("data", ctypes.c_ubyte * 128),
    )


@contextmanager
def program(workspace: Workspace, directory: str) -> Iterator[Callable[[str], str]]:
    """Make a file in a data directory of the undercloud; yield what tries to read it.

    The result takes a directory of the same file system, and returns a command for a shell there.
    It was tried: root on the node reads the file with it.
    """
    path = undercloud.current(workspace).data_directory(directory) / "handle-of-a-test"
    path.write_text(SECRET)
    path.chmod(0o600)
    try:
        handle, mount = _Handle(128), ctypes.c_int()
        libc = ctypes.CDLL(None, use_errno=True)
        given = (ctypes.byref(handle), ctypes.byref(mount), 0)
        if libc.name_to_handle_at(AT_FDCWD, os.fsencode(path), *given):
            raise OSError(ctypes.get_errno(), "name_to_handle_at")
        data = bytes(handle.data[: handle.bytes]).hex()

        def command(top: str) -> str:
            return shlex.join(["python3", "-c", PROGRAM, top, str(handle.kind), data])

        assert traces.inside(workspace, "sh", "-c", command(directory)) == SECRET
        yield command
    finally:
        path.unlink()


def harmful(status: str) -> list[str]:
    """Return the harmful capabilities in the bounding set of a process, proc_pid_status(5)."""
    (line,) = [each for each in status.splitlines() if each.startswith("CapBnd:")]
    allowed = int(line.split()[1], 16)
    return [name for name, number in HARMFUL.items() if allowed >> number & 1]
