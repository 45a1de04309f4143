# SPDX-License-Identifier: Apache-2.0
"""The shell scripts of a fresh checkout, as far as they change nothing."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
COMMON = {"cpio", "e2fsprogs", "git", "python3-venv", "qemu-utils", "util-linux", "zstd"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout without an environment, on a machine without packages, used by a plain user."""
    for name in ("devtest.sh", "run-tests.sh", "bindep.txt", "tools/bootstrap.sh"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(TOP / name, tmp_path / name)
    for name, says in {"dpkg-query": "exit 1", "id": "echo 1000"}.items():
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{says}\n")
        program.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = f"{checkout}/bin:{os.environ['PATH']}"
    return subprocess.run(
        command,
        cwd=checkout,
        env={"PATH": path, "TMPDIR": str(checkout / "tmp")},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("script", ["./devtest.sh", "./run-tests.sh"])
def test_help_needs_neither_root_nor_an_environment(checkout: Path, script: str) -> None:
    done = run(checkout, script, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert script.removeprefix("./") in done.stdout.splitlines()[0]
    assert "Installs what it needs first" in done.stdout
    assert "set -eu" not in done.stdout
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("profile", "there", "absent"),
    [
        ([], {"debootstrap", "sudo", "iproute2"}, {"shellcheck", "docker.io"}),
        (["test"], {"debootstrap", "sudo", "docker.io", "shellcheck"}, set[str]()),
        (["unit"], {"shellcheck"}, {"debootstrap", "sudo", "docker.io", "qemu-system-x86"}),
    ],
)
def test_packages_of_a_profile(
    checkout: Path, profile: list[str], there: set[str], absent: set[str]
) -> None:
    done = run(checkout, "tools/bootstrap.sh", *profile)
    assert done.returncode == 1
    missing = set(done.stderr.splitlines()[0].removeprefix("error: missing packages: ").split())
    assert COMMON | there <= missing
    assert not absent & missing
    assert list((checkout / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "all_of_it"),
    [
        ([], True),
        (["--full"], True),
        (["--unit"], False),
        (["--", "tests/unit/tools", "-k", "shell"], False),
        (["--", "tests/unit", "tests/functional/test_nodes.py"], True),
        (["--", "tests"], True),
        (["--", "-k", "shell"], True),
    ],
)
def test_the_fast_part_asks_for_less(checkout: Path, arguments: list[str], all_of_it: bool) -> None:
    asked = run(checkout, "./run-tests.sh", *arguments).stderr
    assert ("docker.io" in asked) == all_of_it


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--fast"], "unknown argument --fast"),
        (["tests/unit"], "unknown argument tests/unit"),
        (["--unit", "--full"], "--unit goes without --full and --keep"),
        (["--keep", "--unit"], "--unit goes without --full and --keep"),
    ],
)
def test_wrong_arguments_of_the_tests(checkout: Path, arguments: list[str], says: str) -> None:
    done = run(checkout, "./run-tests.sh", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"error: {says}\nhint: ./run-tests.sh --help\n"


def test_help_of_the_tests_has_every_option(checkout: Path) -> None:
    said = run(checkout, "./run-tests.sh", "--help").stdout
    for word in ("--full", "--unit", "--keep", "-- ", "$ALTOSTRATUS_REPORTS", "Exit codes: 0"):
        assert word in said
