# SPDX-License-Identifier: Apache-2.0
"""``check-elements``: whether elements of one's own do what images and the generator expect."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.console import CommandParser, run_command

# Imported where they are used: --help must not wait for them.
if TYPE_CHECKING:
    from altostratus.yamlfile.problems import Problem

EXAMPLES = """examples:
  check-elements my-elements              every element in a directory, as in ELEMENTS_PATH
  check-elements my-elements/redis        one element
  check-elements --json my-elements       for programs

Exit codes: 0 nothing found, 1 problems found, 2 bad arguments. docs/checks.md lists the checks.
"""

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def _parser() -> argparse.ArgumentParser:
    from altostratus import jsonoutput

    parser = CommandParser(
        prog="check-elements",
        description="Check elements with their contracts: metadata keys that templates and scripts "
        "use, units, needs, scripts, dependencies, and the rules of diskimage-builder's dib-lint. "
        "What they depend on is found beside them, in $ELEMENTS_PATH and here.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("directories", nargs="+", type=Path, metavar="DIR", help="directory of elements, or one")
    add("--no-lint", action="store_true", help="do without dib-lint, which takes the most time")
    jsonoutput.add_option(parser)
    return parser


def _run(args: argparse.Namespace) -> int:
    names, problems = _problems(args.directories, with_lint=not args.no_lint)
    if args.json:
        from altostratus import jsonoutput

        jsonoutput.print_report(
            "check-elements", {"elements": names, "problems": [_plain(one) for one in problems]}
        )
    else:
        for one in problems:
            print(one)
        found = f"{len(problems)} problem{'' if len(problems) == 1 else 's'} found"
        about = names[0] if len(names) == 1 else f"{len(names)} elements"
        logger.info("%s: %s", about, found if problems else "nothing found")
    return 1 if problems else 0


def _problems(directories: list[Path], *, with_lint: bool) -> "tuple[list[str], list[Problem]]":
    """Return the elements in ``directories``, and everything that is wrong with them, in order."""
    from altostratus.yamlfile.problems import InvalidInputError
    from generator import contracts, elements
    from generator.contracts.model import Contracts
    from generator.elements import lint
    from imagebuild.elements import search_path

    names, folders = elements.find(directories, search_path())
    problems: list[Problem] = []
    known = Contracts({}, {}, {})
    try:
        known = contracts.read(folders)
    except InvalidInputError as error:
        problems += error.problems
    agree = not problems
    command = lint.program() if with_lint else None
    if with_lint and not command:
        logger.warning("note: dib-lint is missing, so its rules are not checked\n%s", _DIB_LINT)
    for name in names:
        element = elements.Element(folders[name], folders, known)
        problems += elements.check(element, with_contracts=agree)
        problems += lint.check(element, command) if command else ()
    return names, sorted(set(problems))


_DIB_LINT = "hint: it comes with diskimage-builder: pip install diskimage-builder"


def _plain(problem: "Problem") -> dict[str, Any]:
    mark, check = problem.mark, problem.check
    return {
        "file": mark.file,
        "line": mark.line,
        "column": mark.column,
        "check": check.id,
        "name": check.name,
        "severity": str(check.severity),
        "message": problem.message,
        "hint": problem.hint,
    }


if __name__ == "__main__":
    sys.exit(main())
