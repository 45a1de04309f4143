# SPDX-License-Identifier: Apache-2.0
"""What devtest.sh calls: devtest, where options without a command mean ``run``.

The first argument is how devtest.sh was called, for messages; the others are the user's.
"""

import sys
from collections.abc import Sequence

from devtest import main

# Options that altostratus.console gives to every command; after the first ones nothing is run.
LAST = frozenset({"-h", "--help", "--version", "--print-completion", "--print-manual"})
GENERAL = LAST | {"--debug", "-q", "--quiet"}


def with_command(argv: Sequence[str]) -> list[str]:
    """Return ``argv`` with the command ``run`` if it has options alone, such as --cloud FILE.

    Options of devtest itself then go before the command, wherever they were.
    """
    run = next(each for each in main.COMMANDS if isinstance(each, main.Command))
    known = (*main.UNDERCLOUD_OPTIONS, *run.arguments)
    takers = {each.flag for each in known if each.options.get("action") != "store_true"}
    general = {each.flag for each in main.UNDERCLOUD_OPTIONS} | GENERAL
    before: list[str] = []
    after: list[str] = []
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        flag, equals, _ = word.partition("=")
        if flag in LAST or not word.startswith("-") or word == "--":
            return list(argv)
        group = before if flag in general else after
        group.append(word)
        if flag in takers and not equals and rest:
            group.append(rest.pop(0))
    return [*before, run.name, *after]


if __name__ == "__main__":
    sys.exit(main.main(with_command(sys.argv[2:]), sys.argv[1]))
