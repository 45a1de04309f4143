# SPDX-License-Identifier: Apache-2.0
"""Shim over pyproject.toml: adds the trees that are not Python to the wheel.

Elements, templates, examples and schemas are installed below ``share/altostratus`` of
the environment's prefix, where ``altostratus.datafiles`` finds them.
"""

from pathlib import Path

from setuptools import setup

SHARE = Path("share/altostratus")


def data_files(*trees: str) -> list[tuple[str, list[str]]]:
    """Return every file below ``trees`` as setuptools ``data_files`` entries."""
    files: dict[str, list[str]] = {}
    for tree in trees:
        for path in sorted(Path(tree).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                files.setdefault(str(SHARE / path.parent), []).append(str(path))
    return sorted(files.items())


setup(data_files=data_files("elements", "templates", "examples", "schemas"))
