#!/usr/bin/python3 -IS
# SPDX-License-Identifier: Apache-2.0
"""http-answers.py ADDRESS PORT [PATH]: does the API there answer with a status below 500?"""

import http.client
import sys


def main(argv: list[str]) -> int:
    """Ask once; print why not on stderr and return 1."""
    address, port, path = argv[0], int(argv[1]), argv[2] if argv[2:] else "/"
    connection = http.client.HTTPConnection(address, port, timeout=20)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        print(f"{address} port {port}: {error}", file=sys.stderr)
        return 1
    if status >= 500:
        print(f"{address} port {port}: HTTP status {status}", file=sys.stderr)
    return int(status >= 500)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
