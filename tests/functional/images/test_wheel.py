# SPDX-License-Identifier: Apache-2.0
"""The wheel: what is not Python is installed with it, as it is here, and found from it.

pip fetches the build backend of pyproject.toml: no unit test.
"""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.gate

CHECKOUT = Path(__file__).parents[3]
TREES = ("elements", "templates", "examples", "schemas")
SETUPTOOLS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
PACKAGES = [pattern.removesuffix("*") for pattern in SETUPTOOLS["packages"]["find"]["include"]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel of this checkout, and nothing that it depends on."""
    top = tmp_path_factory.mktemp("wheel")
    # A copy: the build writes beside its sources.
    ignored = shutil.ignore_patterns(".*", "__pycache__", "build", "*.egg-info")
    shutil.copytree(CHECKOUT, top / "source", ignore=ignored)
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", top, top / "source"], check=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", top / "venv"], check=True)
    (wheel,) = top.glob("*.whl")
    into = ["--python", top / "venv/bin/python", "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *into, wheel], check=True)
    shutil.rmtree(top / "source")
    return top / "venv"


def contents(top: Path) -> dict[str, tuple[bool, bytes]]:
    """Every file below ``top``: whether it can be executed, and its bytes."""
    return {
        str(path.relative_to(top)): (bool(path.stat().st_mode & 0o111), path.read_bytes())
        for path in top.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def run(*command: str | Path) -> str:
    done = subprocess.run(command, env={}, cwd="/", check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.mark.parametrize("tree", TREES)
def test_trees_are_as_they_are_here_and_found(installed: Path, tree: str) -> None:
    code = f"from altostratus import datafiles; print(datafiles.{tree}_path())"
    found = Path(run(installed / "bin/python", "-c", code))
    assert found.is_relative_to(installed)
    assert contents(found) == contents(CHECKOUT / tree)


def test_every_module_is_in_it(installed: Path) -> None:
    code = "from altostratus import datafiles; print(datafiles.packages_path())"
    found = Path(run(installed / "bin/python", "-c", code))
    for name in PACKAGES:
        here = {path.relative_to(CHECKOUT) for path in (CHECKOUT / name).rglob("*.py")}
        assert here == {path.relative_to(found) for path in (found / name).rglob("*.py")}


def test_commands_are_there(installed: Path) -> None:
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts.keys() <= {path.name for path in (installed / "bin").iterdir()}
    assert "usage: build-images" in run(installed / "bin/build-images", "--help")
    assert "usage: check-elements" in run(installed / "bin/check-elements", "--help")
