# SPDX-License-Identifier: Apache-2.0
"""The option ``--json`` and its form: one JSON document on standard output, for other programs.

``docs/json.md`` describes the document of every command. Progress and messages go to standard
error as ever, and exit codes are the same.
"""

import argparse
import json
import sys
from collections.abc import Mapping
from typing import Any

VERSION = 1
"""The version of all forms. New fields may come with the same version; if one goes away or changes
its meaning, the version goes up."""


def add_option(parser: argparse.ArgumentParser) -> None:
    """Give ``parser`` the option ``--json``; ``args.json`` is False without it."""
    text = "print one JSON document (docs/json.md) instead of text"
    parser.add_argument("--json", action="store_true", help=text)


def print_report(kind: str, data: Mapping[str, Any]) -> None:
    """Print ``{"version": 1, "kind": KIND, …}`` with the fields of ``data``, indented.

    ``kind`` says which form it is, such as ``flavors``. ``data`` consists of what JSON has, and has
    neither of these two fields itself. The text is ASCII, whatever the locale: other characters,
    terminal escapes among them, are escaped as JSON does it.
    """
    document = {"version": VERSION, "kind": kind, **data}
    sys.stdout.write(json.dumps(document, indent=2) + "\n")
    sys.stdout.flush()
