# SPDX-License-Identifier: Apache-2.0
"""What ``pip install ./novadrivers`` installs."""

import tomllib
from pathlib import Path

import novadrivers

TOP = Path(novadrivers.__file__).parent


def test_every_package_is_installed() -> None:
    listed = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    found = {path.parent.relative_to(TOP.parent) for path in TOP.rglob("__init__.py")}
    found = {path for path in found if "build" not in path.parts}
    assert sorted(listed) == sorted(".".join(path.parts) for path in found)
