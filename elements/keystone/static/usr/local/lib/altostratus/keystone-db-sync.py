#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""keystone-manage db_sync with a quoted password in the URL of the database.

Keystone of Zed gives the URL to alembic as it is (keystone/common/sql/upgrades.py,
_find_alembic_conf), which takes a % for the beginning of a variable. Nova and Glance double it.
"""

import sys

from alembic.config import Config
from keystone.cmd.manage import main

set_main_option = Config.set_main_option


def doubled(self: Config, name: str, value: str) -> None:
    """Set an option to ``value``; a URL that has been prepared already has a %%."""
    set_main_option(self, name, value if "%%" in value else value.replace("%", "%%"))


if __name__ == "__main__":
    Config.set_main_option = doubled
    sys.argv = ["keystone-manage", "db_sync"]
    main()
