# SPDX-License-Identifier: Apache-2.0
"""The option --json and the document that it prints."""

import argparse
import json

import pytest

from altostratus import jsonoutput


def test_a_report_begins_with_version_and_kind(capsys: pytest.CaptureFixture[str]) -> None:
    jsonoutput.print_report("flavors", {"flavors": [{"name": "né\x1b[31m"}]})
    printed = capsys.readouterr().out
    assert printed.startswith('{\n  "version": 1,\n  "kind": "flavors",\n  "flavors": [')
    assert printed.endswith("}\n")
    assert json.loads(printed)["flavors"] == [{"name": "né\x1b[31m"}]


def test_a_report_has_no_character_that_a_terminal_or_a_locale_minds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    jsonoutput.print_report("x", {"name": "é\x1b\x9b"})
    assert capsys.readouterr().out.isascii()


def test_the_option() -> None:
    parser = argparse.ArgumentParser()
    jsonoutput.add_option(parser)
    assert not parser.parse_args([]).json
    assert parser.parse_args(["--json"]).json
