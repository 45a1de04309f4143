# SPDX-License-Identifier: Apache-2.0
"""Which cloud files devtest takes, for clouds and for underclouds of other networks."""

import re
import subprocess
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from altostratus.datafiles import examples_path, packages_path
from altostratus.errors import InputError
from devtest.cloud import cloudfiles
from devtest.undercloud import nodes

DOCS = packages_path() / "docs/devtest.md"


def test_the_example_is_an_undercloud() -> None:
    assert cloudfiles.reached(examples_path() / "undercloud.yaml") == [
        IPv4Network("192.168.24.0/24")
    ]


@pytest.mark.parametrize("change", [("name: undercloud", "name: other"), ("  undercloud:", "  x:")])
def test_what_is_no_undercloud_is_refused(change: tuple[str, str], tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    text = (examples_path() / "undercloud.yaml").read_text()
    assert change[0] in text
    file.write_text(text.replace(*change, 1))
    with pytest.raises(InputError, match="not the cloud file of an undercloud"):
        cloudfiles.reached(file)


def test_an_undercloud_file_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        cloudfiles.reached(tmp_path / "none.yaml")


def test_the_recipe_of_the_docs_makes_a_second_undercloud(tmp_path: Path) -> None:
    """The copies have other networks, fit together and are still complete."""
    (recipe,) = re.findall(r"^    (sed .*)$", DOCS.read_text(), re.MULTILINE)
    lab = tmp_path / "lab"
    subprocess.run(["cp", "-r", examples_path(), lab], check=True)
    subprocess.run(["sh", "-c", recipe], check=True, cwd=tmp_path)
    routes = cloudfiles.reached(lab / "undercloud.yaml")
    assert routes == [IPv4Network("192.168.25.0/24")]
    for file in sorted(lab.glob("overcloud*.yaml")):
        cloudfiles.check_reach(*cloudfiles.read(file), routes)
    node, _ = cloudfiles.read(lab / nodes.CLOUD)
    assert node.joined is not None
    assert node.networks["ctlplane"].cidr == routes[0]
    with pytest.raises(InputError, match="this machine would not reach"):
        cloudfiles.check_reach(*cloudfiles.read(None), routes)
