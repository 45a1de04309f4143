# SPDX-License-Identifier: Apache-2.0
"""Paths of the elements, templates, examples and schemas: in the checkout, or of the wheel.

``setup.py`` installs them in ``<prefix>/share/altostratus``.
"""

import sys
import sysconfig
from pathlib import Path

from altostratus.errors import AltostratusError


def elements_path() -> Path:
    """Return the directory of the project's diskimage-builder elements."""
    return _tree("elements")


def templates_path() -> Path:
    """Return the directory of the hand-written Heat templates."""
    return _tree("templates")


def examples_path() -> Path:
    """Return the directory of the example cloud files."""
    return _tree("examples")


def schemas_path() -> Path:
    """Return the directory of the JSON Schemas of files."""
    return _tree("schemas")


def packages_path() -> Path:
    """Return the directory that holds this package and the project's other ones."""
    return Path(__file__).resolve().parent.parent


def _tree(name: str) -> Path:
    checkout = packages_path()
    candidates = [
        # Only a checkout has them beside this package: site-packages may hold any "examples".
        *([checkout / name] if (checkout / "pyproject.toml").is_file() else []),
        *(
            Path(prefix) / "share" / "altostratus" / name
            for prefix in (sysconfig.get_path("data"), sys.prefix)
        ),
    ]
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise AltostratusError(
        f"the {name} of altostratus are missing: {candidates[0]}",
        "reinstall altostratus (pip install --force-reinstall), or work in a checkout",
    )
