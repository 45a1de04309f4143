# SPDX-License-Identifier: Apache-2.0
"""What holds for every element and is checked by no other tool."""

import json
import os
import re
from pathlib import Path

import pytest
import yaml

ELEMENTS = Path(__file__).parents[3] / "elements"
ALL = sorted(path for path in ELEMENTS.iterdir() if path.is_dir())
# Formats without comments, and DIB's lists of names.
BARE = ("pkg-map", "element-deps", "element-provides", "every-layer", "project-packages")


def files(element: Path) -> list[Path]:
    return [p for p in sorted(element.rglob("*")) if p.is_file() and "__pycache__" not in p.parts]


def below(element: Path, folder: str) -> list[Path]:
    return files(element / folder) if (element / folder).exists() else []


@pytest.fixture(params=ALL, ids=lambda path: path.name)
def element(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_licence_is_named(element: Path) -> None:
    for path in files(element):
        if path.name not in BARE and path.suffix != ".json":
            first = path.read_text().splitlines()[:2]
            assert any("SPDX-License-Identifier: Apache-2.0" in line for line in first), path


def test_scripts_have_numbers_and_can_run(element: Path) -> None:
    for path in below(element, "os-refresh-config"):
        # dib-run-parts passes over what is not executable or has a dot in its name.
        assert re.fullmatch(r"\d\d-[a-z0-9-]+", path.name), path
        assert os.access(path, os.X_OK), path


def test_hooks_have_numbers_and_can_run(element: Path) -> None:
    for folder in element.glob("*.d"):
        for path in files(folder):
            if folder.name != "environment.d":
                assert re.fullmatch(r"\d\d-[a-z0-9-]+", path.name), path
                assert os.access(path, os.X_OK), path


def test_packages_have_names_by_distribution(element: Path) -> None:
    listed = element / "package-installs.yaml"
    if listed.exists():
        assert yaml.safe_load(listed.read_text()), listed
        deps = (element / "element-deps").read_text().split()
        assert "package-installs" in deps


def test_pkg_map_has_no_identities(element: Path) -> None:
    """DIB's package-installs runs ``pkg-map --missing-ok``: an unmapped name is the package's."""
    path = element / "pkg-map"
    if path.exists():
        families: dict[str, dict[str, str]] = json.loads(path.read_text())["family"]
        same = [name for names in families.values() for name in names if names[name] == name]
        assert not same, path


def test_services_are_installed_by_the_hooks(element: Path) -> None:
    folders = ("os-apply-config", "os-refresh-config", "systemd", "static")
    if element.name != "os-config-hooks" and any(below(element, name) for name in folders):
        assert "os-config-hooks" in dependencies(element), element


def dependencies(element: Path) -> set[str]:
    """Return the project's elements that ``element`` depends on, directly or not."""
    listed = element / "element-deps"
    found = set(listed.read_text().split()) if listed.exists() else set()
    own = {name for name in found if (ELEMENTS / name).is_dir()}
    return own.union(*(dependencies(ELEMENTS / name) for name in own))


def test_templates_with_secrets_are_not_for_everybody(element: Path) -> None:
    """Mode 0644 is what os-apply-config gives a file without an .oac."""
    for path in below(element, "os-apply-config"):
        if re.search(r"\{\{[^}]*(password|secret|\.db)[^}]*\}\}", path.read_text()):
            control = yaml.safe_load(Path(f"{path}.oac").read_text())
            assert control["mode"] & 0o007 == 0, path


def test_names_of_scripts_are_unique() -> None:
    names = [p.name for element in ALL for p in below(element, "os-refresh-config")]
    assert len(names) == len(set(names))


def test_every_wheel_is_pinned() -> None:
    lists = list(ELEMENTS.glob("*/wheelhouse/*.txt"))
    assert {path.stem for path in lists} >= {"pip", "os-config-agents", "ironic-python-agent"}
    for path in lists:
        text = re.sub(r"\s*\\\n\s*", " ", path.read_text())
        lines = [line for line in text.splitlines() if line and line[0] != "#"]
        assert lines
        pinned = r"[A-Za-z0-9._-]+==[0-9.]+( --hash=sha256:[0-9a-f]{64})+"
        assert all(re.fullmatch(pinned, line) for line in lines), lines
