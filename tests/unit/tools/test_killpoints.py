# SPDX-License-Identifier: Apache-2.0
"""The points at which functional tests kill commands: each is there, and is where it says."""

import os
import sys
from pathlib import Path

import pytest

from tools.lanes import TOP

FUNCTIONAL = TOP / "tests/functional"
sys.path.insert(0, str(FUNCTIONAL))

import killpoint  # noqa: E402

# A command and a helper that it starts with its own Python, as devtest does.
COMMAND = """
import subprocess, sys
from pathlib import Path
def first(): Path("first").touch()
def second(): Path("second").touch()
def main():
    first()
    first()
    subprocess.run([sys.executable, "-m", "helper"])
    Path("after").touch()
"""
HELPER = """
from pathlib import Path
def work(): Path("work").touch()
def main(): work()
"""


@pytest.mark.parametrize("point", killpoint.POINTS)
def test_the_product_has_the_function(point: str) -> None:
    owner, name = killpoint.resolve(killpoint.POINTS[point])
    assert callable(getattr(owner, name))


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "command.py").write_text(COMMAND)
    (tmp_path / "helper.py").write_text(HELPER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("point", "done"),
    [
        ("command:first", set()),
        ("command:first@left", {"first"}),
        ("command:first#2", {"first"}),
        ("helper:work", {"first"}),
        ("helper:work@left", {"first", "work"}),
    ],
)
def test_it_is_killed_there(
    command: Path, monkeypatch: pytest.MonkeyPatch, point: str, done: set[str]
) -> None:
    monkeypatch.setitem(killpoint.POINTS, "sample", point)
    killpoint.kill("sample", "command")
    made = {each.name for each in command.iterdir()} & {"first", "work", "after"}
    # The helper of a killed command goes on, perhaps a moment later.
    assert made - {"work"} == done - {"work"}
    assert "work" in made or "work" not in done


def test_a_command_that_does_not_come_there_fails(
    command: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(killpoint.POINTS, "sample", "command:second")
    with pytest.raises(AssertionError, match="did not come to command:second"):
        killpoint.kill("sample", "command")
    assert (command / "after").exists()
    assert os.environ["PYTHONPATH"] == str(command)
