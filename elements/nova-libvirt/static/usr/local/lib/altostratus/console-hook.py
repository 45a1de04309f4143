#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Hook of libvirt's container driver: have console-logger.py read a console before its guest runs.

libvirt calls it with the domain's XML as standard input (https://libvirt.org/hooks.html). What a
guest writes before anybody reads its console is lost if its first process ends at once.
"""

import socket
import sys

SOCKET = "/run/libvirt/consoles.sock"
TIMEOUT_SECONDS = 2.0


def main(argv: list[str]) -> int:
    """Report a domain that is about to start; wait for the answer. A failure never stops it."""
    if argv[1:3] != ["start", "begin"]:
        return 0
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as logger:
            logger.settimeout(TIMEOUT_SECONDS)
            logger.connect(SOCKET)
            logger.sendall(sys.stdin.buffer.read())
            logger.shutdown(socket.SHUT_WR)
            logger.recv(1)
    except OSError as error:
        print(f"the console of {argv[0]} is not read yet: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
