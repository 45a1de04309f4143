# SPDX-License-Identifier: Apache-2.0
"""What holds for every element of ours and is checked neither by check-elements nor by lint."""

import json
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


def test_pkg_map_has_no_identities(element: Path) -> None:
    """DIB's package-installs runs ``pkg-map --missing-ok``: an unmapped name is the package's."""
    path = element / "pkg-map"
    if path.exists():
        families: dict[str, dict[str, str]] = json.loads(path.read_text())["family"]
        same = [name for names in families.values() for name in names if names[name] == name]
        assert not same, path


def test_templates_with_secrets_are_not_for_everybody(element: Path) -> None:
    """Mode 0644 is what os-apply-config gives a file without an .oac."""
    for path in below(element, "os-apply-config"):
        if re.search(r"\{\{[^}]*(password|secret|\.db)[^}]*\}\}", path.read_text()):
            control = yaml.safe_load(Path(f"{path}.oac").read_text())
            assert control["mode"] & 0o007 == 0, path


def test_every_wheel_is_pinned() -> None:
    lists = list(ELEMENTS.glob("*/wheelhouse/*.txt"))
    assert {path.stem for path in lists} >= {"pip", "os-config-agents", "ironic-python-agent"}
    for path in lists:
        text = re.sub(r"\s*\\\n\s*", " ", path.read_text())
        lines = [line for line in text.splitlines() if line and line[0] != "#"]
        assert lines
        pinned = r"[A-Za-z0-9._-]+==[0-9.]+( --hash=sha256:[0-9a-f]{64})+"
        assert all(re.fullmatch(pinned, line) for line in lines), lines
