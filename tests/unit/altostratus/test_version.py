# SPDX-License-Identifier: Apache-2.0
"""The version: written once, printed by every command."""

import importlib.metadata
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import pytest

from altostratus import version

TOP = Path(__file__).parents[3]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(("name", "entry"), PROJECT["scripts"].items())
def test_every_command_prints_it(name: str, entry: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, function = entry.partition(":")
    main: Callable[[Sequence[str]], int] = getattr(import_module(module), function)
    with pytest.raises(SystemExit) as left:
        main(["--version"])
    assert left.value.code == 0
    assert capsys.readouterr().out == f"{name} {PROJECT['version']}\n"


def test_devtest_sh_prints_it_without_root_or_an_environment() -> None:
    done = subprocess.run([TOP / "devtest.sh", "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"devtest {PROJECT['version']}\n")


def test_installed_it_is_that_of_the_distribution(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(version, "packages_path", lambda: tmp_path)
    monkeypatch.setattr(importlib.metadata, "version", {"altostratus": "1.2.3"}.__getitem__)
    assert version.version() == "1.2.3"


def test_novadrivers_have_the_same() -> None:
    drivers = tomllib.loads((TOP / "novadrivers/pyproject.toml").read_text())["project"]
    assert drivers["version"] == PROJECT["version"]


def test_the_changelog_begins_with_it() -> None:
    lines = (TOP / "CHANGELOG.md").read_text().splitlines()
    first = next(line for line in lines if line.startswith("## "))
    assert PROJECT["version"] in first.split()
