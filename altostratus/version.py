# SPDX-License-Identifier: Apache-2.0
"""The version of the project. It is written once, in ``pyproject.toml``."""

import importlib.metadata
import tomllib

from altostratus.datafiles import packages_path


def version() -> str:
    """Return the version: of the checkout if this is one, else of the installed distribution.

    The metadata of an editable install are as old as the last ``pip install``, so a checkout's
    ``pyproject.toml`` wins.
    """
    project = packages_path() / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    return importlib.metadata.version("altostratus")
