# SPDX-License-Identifier: Apache-2.0
"""Imports between the packages go one way, as docs/architecture.md draws them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
# Which nova-compute processes a node has is decided in one place, which needs no Nova.
PROCESSES = "novadrivers.processes"
ALLOWED: dict[str, set[str]] = {
    "altostratus": set(),
    "imagebuild": {"altostratus"},
    "generator": {"imagebuild", "altostratus", PROCESSES},
    "setupcloud": {"altostratus"},
    "devtest": {"setupcloud", "generator", "imagebuild", "altostratus", PROCESSES},
    "novadrivers": set(),
    "tools": {"devtest", "setupcloud", "generator", "imagebuild", "altostratus"},
}
"""What each package may import of the others."""
INSIDE: dict[tuple[str, str], set[str]] = {
    ("devtest", "container"): set(),
    ("devtest", "undercloud"): {"container"},
    ("devtest", "cloud"): {"undercloud", "container"},
    ("generator", "contracts"): set(),
    ("generator", "cloudfile"): {"contracts"},
    ("generator", "plan"): {"contracts", "cloudfile"},
    ("generator", "heat"): {"contracts", "cloudfile", "plan"},
    ("generator", "output"): {"contracts", "cloudfile", "plan", "heat"},
    ("novadrivers", "shared"): set(),
    ("novadrivers", "libvirt"): {"shared"},
    ("novadrivers", "docker"): {"shared"},
    ("novadrivers", "ironic"): {"shared"},
}
"""What each folder of a package may import of its neighbours."""


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted names that a module imports, or runs with ``python -m``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Constant) and _is_dotted(node.value):
            yield node.value


def _is_dotted(value: object) -> bool:
    return isinstance(value, str) and all(word.isidentifier() for word in value.split("."))


def modules(folder: str) -> list[Path]:
    return sorted((TOP / folder).rglob("*.py"))


@pytest.mark.parametrize("package", sorted(ALLOWED))
def test_packages_import_one_way(package: str) -> None:
    wrong = [
        f"{path.relative_to(TOP)} imports {name}"
        for path in modules(package)
        for name in imported(path)
        if "." in name and (head := name.partition(".")[0]) in ALLOWED and head != package
        if not any(f"{name}.".startswith(f"{each}.") for each in ALLOWED[package])
    ]
    assert not wrong


@pytest.mark.parametrize(("package", "folder"), sorted(INSIDE))
def test_folders_of_a_package_import_one_way(package: str, folder: str) -> None:
    forbidden = {name for parent, name in INSIDE if parent == package}
    forbidden -= {folder, *INSIDE[package, folder]}
    wrong = [
        f"{path.relative_to(TOP)} imports {name}"
        for path in modules(f"{package}/{folder}")
        for name in imported(path)
        if any(f"{name}.".startswith(f"{package}.{each}.") for each in forbidden)
    ]
    assert not wrong


def test_every_package_is_held() -> None:
    assert {path.parent.name for path in TOP.glob("*/__init__.py")} == ALLOWED.keys()
