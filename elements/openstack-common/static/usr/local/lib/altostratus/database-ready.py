#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""database-ready.py FILE SECTION: can the service log in to its database?

Reads ``connection`` (a SQLAlchemy URL) from SECTION of the oslo.config FILE, so that no password is
in an argument. Exit status 1, with the reason on stderr, until database, user and grant are there.
"""

import configparser
import sys
import urllib.parse
from pathlib import Path

import pymysql


def main(argv: list[str]) -> int:
    """Try once to log in."""
    path, section = argv
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(Path(path).read_text(encoding="utf-8"))
    url = urllib.parse.urlsplit(parser.get(section, "connection"))
    try:
        pymysql.connect(
            host=url.hostname,
            port=url.port or 3306,
            user=url.username,
            password=urllib.parse.unquote(url.password or ""),
            database=url.path.lstrip("/"),
            connect_timeout=5,
        ).close()
    except pymysql.MySQLError as error:
        print(f"{url.hostname}: {error.args[-1]}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
