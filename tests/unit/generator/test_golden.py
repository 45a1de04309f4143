# SPDX-License-Identifier: Apache-2.0
"""Generated files, byte for byte. ``GOLDEN=update pytest tests/unit/generator/test_golden.py``
rewrites them; ``git diff`` then shows what a change does to real stacks.

The examples use the project's own elements, the other clouds the contracts of the unit tests.
"""

import os
import shutil
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path, examples_path, templates_path
from generator import cloudfile, contracts
from generator.cloudfile.model import camel_case
from generator.contracts.model import Contracts
from generator.output import names, render
from generator.plan.resolve import resolve

GOLDEN = Path(__file__).parents[2] / "golden"
EXAMPLES = sorted(examples_path().glob("*.yaml"))
TOPOLOGIES = sorted(GOLDEN.glob("*/cloud.yaml"))


def generated(cloud_file: Path, known: Contracts) -> dict[str, str]:
    """Return the files for a cloud, with each secret's own name as its value."""
    secrets = {camel_case(name): f"the secret {name}" for name in known.secrets}
    plan = resolve(cloudfile.load(cloud_file, known), known)
    files = render.files(plan, templates_path(), secrets)
    # The templates are in the repository already, and the secrets are of this test.
    left_out = {names.SECRETS, *map(names.parameter, secrets)}
    return {
        name: file.text
        for name, file in files.items()
        if not name.startswith("templates/") and name not in left_out
    }


def check(expected: Path, files: dict[str, str]) -> None:
    if os.environ.get("GOLDEN") == "update":
        shutil.rmtree(expected, ignore_errors=True)
        for name, text in files.items():
            (expected / name).parent.mkdir(parents=True, exist_ok=True)
            (expected / name).write_text(text)
    there = {
        str(path.relative_to(expected)): path.read_text()
        for path in expected.rglob("*")
        if path.is_file()
    }
    assert files == there


@pytest.mark.parametrize("path", TOPOLOGIES, ids=lambda path: path.parent.name)
def test_topology(path: Path, services: Contracts) -> None:
    check(path.parent / "out", generated(path, services))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example(path: Path) -> None:
    check(GOLDEN / "examples" / path.stem, generated(path, contracts.load(elements_path())))


def test_output_is_the_same_each_time(services: Contracts) -> None:
    path = TOPOLOGIES[0]
    assert generated(path, services) == generated(path, services)
