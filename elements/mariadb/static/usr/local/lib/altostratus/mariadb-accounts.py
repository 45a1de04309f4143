# SPDX-License-Identifier: Apache-2.0
"""Print the SQL that creates the databases and accounts listed on stdin.

The list is JSON: [{"name": DATABASE, "user": USER, "password": PASSWORD}, …]. Every statement is
idempotent. Accounts may log in from anywhere and can use only their own databases.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping


def quoted(text: str) -> str:
    """Return ``text`` as an SQL string (MariaDB's default sql_mode, where backslash escapes)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def statements(databases: Iterable[Mapping[str, str]]) -> Iterator[str]:
    """Yield the statements for ``databases``, the items of the list."""
    for item in databases:
        account = f"{quoted(item['user'])}@'%'"
        password = quoted(item["password"])
        yield f"CREATE DATABASE IF NOT EXISTS `{item['name']}`;"
        yield f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {password};"
        yield f"ALTER USER {account} IDENTIFIED BY {password};"
        yield f"GRANT ALL ON `{item['name']}`.* TO {account};"


if __name__ == "__main__":
    print("\n".join(statements(json.load(sys.stdin))))
