# SPDX-License-Identifier: Apache-2.0
"""What follows from the parser of a command: completions for shells, the manual page."""

import argparse
import re


def completion(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of ``parser`` for ``shell``: bash, zsh or tcsh."""
    import shtab

    for each in _parsers(parser):
        _complete_paths(each)
    return str(shtab.complete(parser, shell)).rstrip("\n") + "\n"


def page(parser: argparse.ArgumentParser) -> str:
    """Return the manual page (section 1, troff) of ``parser``, with all of its commands."""
    from argparse_manpage.manpage import Manpage

    from altostratus.version import version

    made = Manpage(parser, format="pretty")
    made.source = f"altostratus {version()}"
    made.manual = "Altostratus"
    # "Create flavors, and replace those that differ. Credentials: …": the first sentence.
    made.description = (parser.description or "").split(". ")[0].rstrip(".")
    # A line that begins with a quote would be a request to troff.
    text = re.sub(r"^'", r"\\&'", str(made), flags=re.MULTILINE)
    return text.rstrip("\n") + "\n"


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for each in action.choices.values():
                found += _parsers(each)
    return found


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Let arguments that are paths be completed as such."""
    import shtab

    for action in parser._actions:
        if getattr(action.type, "__name__", "") in ("Path", "PosixPath"):
            action.complete = shtab.FILE  # type: ignore[attr-defined]
