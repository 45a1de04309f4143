# SPDX-License-Identifier: Apache-2.0
"""One of two clouds in an undercloud: short of memory, then removed; the other one stays."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import devtest, openstack

from altostratus import datafiles
from devtest.cloud import removal
from devtest.workspace import Workspace

pytestmark = pytest.mark.full

NAME = "second"
KINDS = ("stack", "server", "image", "flavor", "network")


@pytest.fixture(scope="module")
def second(overcloud: Workspace, scratch: Path) -> Iterator[str]:
    """A cloud of one instance beside the default example, on a network of its own, too."""
    example = datafiles.examples_path() / "overcloud-lxc-combined.yaml"
    changes = {
        "name: overcloud-combined": f"name: {NAME}",
        "internal": "inner",
        "vlan: 201": "vlan: 202",
        "172.16.2.": "172.16.3.",
    }
    text = example.read_text()
    for old, new in changes.items():
        text = text.replace(old, new)
    file = scratch / f"{NAME}.yaml"
    file.write_text(text)
    assert devtest("run", "--cloud", str(file)).returncode == 0
    yield NAME
    devtest("destroy", "--cloud", NAME)


def there() -> dict[str, set[str]]:
    """Return the names of everything in the undercloud, by kind."""
    return {
        kind: {
            str(each.get("Name") or each["Stack Name"])
            for each in openstack("--os-cloud", "undercloud", kind, "list")
        }
        for kind in KINDS
    }


def copies(workspace: Workspace) -> set[Path]:
    return set(workspace.container.glob("data/*/instances/_base/*"))


def test_an_instance_that_was_short_of_memory_is_shown(second: str) -> None:
    name = next(each["name"] for each in status()["instances"] if each["cloud"] == second)
    # Twice the flavor's memory, and written: what is not written takes none.
    fill = "len(b'x' * (4 * 1024 ** 3))"
    assert devtest("ssh", f"{second}/{name}", "sudo", "python3", "-c", fill).returncode != 0
    kills = {each["name"]: each["memory_kills"] for each in status()["instances"]}
    assert kills[name] >= 1
    assert sum(kills.values()) == kills[name]
    assert f"{name}: the kernel killed" in devtest("status").stdout


def status() -> dict[str, list[dict[str, str | int]]]:
    found: dict[str, list[dict[str, str | int]]] = json.loads(devtest("status", "--json").stdout)
    return found


def test_one_cloud_goes_and_the_other_stays(overcloud: Workspace, second: str) -> None:
    """Last: the other test needs what it removes."""
    before, cached = there(), copies(overcloud)
    assert devtest("destroy", "--cloud", second).returncode == 0
    after = there()
    gone = {kind: before[kind] - after[kind] for kind in KINDS}
    assert gone["stack"] == {second}
    assert all(name.startswith(second) for name in gone["image"] | gone["flavor"])
    assert gone["image"]
    assert gone["flavor"]
    assert gone["network"] == {"inner"}
    assert len(copies(overcloud)) < len(cached)
    assert removal.known(overcloud) == ["overcloud"]
    assert not overcloud.images(second).exists()
    # Again there is nothing to remove, and the other cloud works.
    assert devtest("destroy", "--cloud", second).returncode == 1
    assert devtest("verify").returncode == 0
