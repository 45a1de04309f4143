#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Hook of libvirt's container driver: have console-logger.py read a console before its guest runs.

libvirt calls it (https://libvirt.org/hooks.html) before it starts a container, whose terminal is
open then but not named yet, and after it has started or ended, with the domain's XML. What a guest
writes before anybody reads its console is lost if its first process ends at once.
"""

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

SOCKET = "/run/libvirt/consoles.sock"
TIMEOUT_SECONDS = 2.0


def terminals(daemon: int) -> Iterator[str]:
    """Return the terminals whose other ends the process ``daemon`` has open: proc_pid_fdinfo(5)."""
    for path in Path(f"/proc/{daemon}/fdinfo").iterdir():
        with contextlib.suppress(OSError):
            found = re.search(r"^tty-index:\s*(\d+)$", path.read_text(), re.MULTILINE)
            if found:
                yield f"/dev/pts/{found[1]}"


def report(operation: str, xml: str) -> dict[str, object]:
    """Return the request to the logger: terminals to open, or whose one of them is."""
    if operation == "start":
        return {"terminals": sorted(terminals(os.getppid()))}
    return {"domain": xml, "is_running": operation == "started"}


def main(argv: list[str]) -> int:
    """Report a domain and wait for the answer. A failure never stops it."""
    if argv[1] not in ("start", "started", "stopped"):
        return 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as logger:
            logger.settimeout(TIMEOUT_SECONDS)
            logger.connect(SOCKET)
            logger.sendall(json.dumps(report(argv[1], sys.stdin.read())).encode())
            logger.shutdown(socket.SHUT_WR)
            logger.recv(1)
    except OSError as error:
        print(f"the console of {argv[0]} is not read yet: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
