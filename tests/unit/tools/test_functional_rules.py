# SPDX-License-Identifier: Apache-2.0
"""What the functional tests' conftest sees to: markers, and what explains a failure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.lanes import TOP


def run_tests(place: Path, text: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on a functional test of its own."""
    for name in ("conftest.py", "evidence.py", "snapshot.py"):
        (place / name).write_text((TOP / "tests/functional" / name).read_text())
    (place / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-c", TOP / "pyproject.toml", "--rootdir", place]
    environment = {k: v for k, v in os.environ.items() if k != "ALTOSTRATUS_STATE"}
    return subprocess.run(
        [*command, "-p", "no:cacheprovider", *options, place],
        cwd=TOP,
        env={**environment, "ALTOSTRATUS_REPORTS": str(place / "reports")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    "text",
    [
        "def test_it(): pass",
        """
import pytest
pytestmark = pytest.mark.full
@pytest.mark.gate
def test_it(): pass
""",
    ],
    ids=["neither", "gate-in-full"],
)
def test_a_functional_test_says_which_it_is(tmp_path: Path, text: str) -> None:
    done = run_tests(tmp_path, text, "--collect-only")
    assert done.returncode == 4
    assert "neither gate nor full" in done.stderr
    assert "test_it.py::test_it" in done.stderr


ORDER = """
import pytest
pytestmark = pytest.mark.gate
def test_without(no_cloud): pass
@pytest.mark.full
def test_end(doomed): pass
def test_plain(): pass
"""


def test_what_destroys_the_clouds_comes_last(tmp_path: Path) -> None:
    def collected(*options: str) -> list[str]:
        lines = run_tests(tmp_path, ORDER, "--collect-only", "-q", *options).stdout.splitlines()
        return [line.rpartition("::")[2] for line in lines if "::" in line]

    assert collected() == ["test_plain", "test_end", "test_without"]
    assert collected("-m", "not full") == ["test_plain", "test_without"]
    assert collected("--keep") == ["test_plain"]


FAILING = """
import pytest, sys
pytestmark = pytest.mark.gate
@pytest.fixture(scope="session", autouse=True)
def _needs_root(scratch):
    (scratch / "build.log").write_text("what the build said")
def test_bad():
    print("what the test said", file=sys.stderr)
    assert False, "this is why"
"""


def test_what_explains_a_failure_is_kept_and_named(tmp_path: Path) -> None:
    done = run_tests(tmp_path, FAILING)
    kept = tmp_path / "reports/failures/test_it.py-test_bad-call"
    assert done.returncode == 1
    at_once = done.stdout.partition("= FAILURES =")[0]
    assert "call of test_it.py::test_bad: AssertionError: this is why" in at_once
    assert "what the test said" in at_once
    assert f"what explains it is in {kept}" in at_once
    text = (kept / "test.txt").read_text()
    assert "this is why" in text
    assert "what the test said" in text
    assert (kept / "build.log").read_text() == "what the build said"
