# SPDX-License-Identifier: Apache-2.0
"""Print the SQL that makes the databases and accounts of a list, from stdin, what the list says.

The list is JSON: [{"name": DATABASE, "user": USER, "password": PASSWORD}, …]. Every statement may
be repeated. Accounts may log in from anywhere and reach their own databases only.
"""

import json
import sys


def quoted(text):
    """Return ``text`` as an SQL string (MariaDB's default sql_mode, where backslash escapes)."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def statements(databases):
    """Yield the statements for the list ``databases``."""
    for item in databases:
        account = f"{quoted(item['user'])}@'%'"
        password = quoted(item["password"])
        yield f"CREATE DATABASE IF NOT EXISTS `{item['name']}`;"
        yield f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY {password};"
        yield f"ALTER USER {account} IDENTIFIED BY {password};"
        yield f"GRANT ALL ON `{item['name']}`.* TO {account};"


if __name__ == "__main__":
    print("\n".join(statements(json.load(sys.stdin))))
