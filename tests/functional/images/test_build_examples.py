# SPDX-License-Identifier: Apache-2.0
"""The images of every example, before others: the tests of whole clouds then have them cached."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from altostratus import datafiles
from devtest.cloud import cloudfiles

pytestmark = pytest.mark.gate

EXAMPLES = sorted(path.stem for path in datafiles.examples_path().glob("*.yaml"))


def build(example: str, scratch: Path) -> dict[str, Any]:
    """Return the manifest's records by role; the images are in a directory below ``scratch``."""
    output = scratch / "examples" / example
    file = datafiles.examples_path() / f"{example}.yaml"
    command = [sys.executable, "-m", "generator.build_images", "--cloud", file, "-o", output]
    subprocess.run(command, check=True)
    listed = json.loads((output / "manifest.json").read_text())["images"]
    assert all((output / record["file"]).stat().st_size == record["size"] for record in listed)
    return {record["role"]: record for record in listed}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_role_has_its_image(example: str, scratch: Path) -> None:
    built = build(example, scratch)
    cloud, _ = cloudfiles.read(datafiles.examples_path() / f"{example}.yaml")
    assert built.keys() == cloud.roles.keys()
    for name, role in cloud.roles.items():
        assert built[name]["hypervisor"] == role.hypervisor
        assert set(role.services) <= set(built[name]["elements"])


def test_what_two_clouds_share_is_built_once(scratch: Path) -> None:
    one, other = (build(each, scratch)["glance"] for each in ("overcloud-lxc", "overcloud-mixed"))
    assert one["name"] != other["name"]
    for what in ("key", "sha256", "built"):
        assert one[what] == other[what]
