# SPDX-License-Identifier: Apache-2.0
"""A second undercloud of another name and networks, beside the default one."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import devtest, openstack

from altostratus import datafiles
from devtest import container
from devtest import undercloud as local
from devtest.container import hostnet, owner
from devtest.settings import Given
from devtest.workspace import Workspace, find

pytestmark = pytest.mark.full

NAME = "second"
OPTIONS = ("--name", NAME)
VARIABLES = ("ALTOSTRATUS_STATE", "OS_CLIENT_CONFIG_FILE")


@pytest.fixture(scope="module")
def files(scratch: Path) -> Path:
    """The examples with other networks, as docs/devtest.md makes them."""
    directory = scratch / "second"
    shutil.copytree(datafiles.examples_path(), directory)
    for file in directory.glob("*.yaml"):
        file.write_text(file.read_text().replace("192.168.24.", "192.168.25."))
    return directory


@pytest.fixture(scope="module")
def second(undercloud: Workspace, scratch: Path, files: Path) -> Iterator[Workspace]:
    """The workspace of a second undercloud with a cloud in it, which are gone in the end."""
    kept = {name: os.environ[name] for name in VARIABLES}
    os.environ["ALTOSTRATUS_STATE"] = str(scratch / "second-state")
    found = find(Given(name=NAME))
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(found.clouds_yaml)
    options = (*OPTIONS, "--undercloud", str(files / "undercloud.yaml"))
    done = devtest(*options, "run", "--cloud", str(files / "overcloud-lxc-combined.yaml"))
    assert done.returncode == 0
    assert f"export ALTOSTRATUS_NAME={NAME}" in done.stdout
    yield found
    devtest(*OPTIONS, "destroy")
    os.environ.update(kept)


def ours(name: str = NAME) -> set[str]:
    """Return what the undercloud ``name`` has on the host, by name."""
    there = [*hostnet.namespaces(), *hostnet.links(), *owner.below(Path("/"))]
    return {each for each in there if name in each}


def test_the_networks_of_the_first_are_refused(
    undercloud: Workspace, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(scratch / "third-state"))
    done = devtest("--name", "third", "doctor")
    assert done.returncode == 1
    state = f"of the undercloud with its state in {undercloud.state}"
    assert f"192.168.24.0/24 on as-uc {state}" in done.stdout
    assert devtest("--name", "third", "run").returncode == 1
    assert ours("third") == set()


def test_a_cloud_beside_another(undercloud: Workspace, second: Workspace, files: Path) -> None:
    assert ours() == {f"altostratus.{NAME}", f"uc-{NAME}"}
    servers = openstack("--os-cloud", "undercloud", "server", "list", "--long")
    assert [each["Name"] for each in servers] == ["controller-0"]
    assert "192.168.25." in str(servers[0]["Networks"])
    assert container.pid(local.current(undercloud)) is not None
    assert f"name {NAME}, cloud file {files}" in devtest("status").stdout


def test_a_node_joins_the_one_that_is_meant(second: Workspace, files: Path) -> None:
    node = str(files / "hypervisor-node.yaml")
    assert devtest(*OPTIONS, "node", "add", "--cloud", node).returncode == 0
    assert f"altostratus.{NAME}-hypervisor-0" in ours()
    assert "as-hypervisor-0" in hostnet.links(f"altostratus.{NAME}")
    assert devtest(*OPTIONS, "node", "remove").returncode == 0
    assert f"altostratus.{NAME}-hypervisor-0" not in ours()


def test_settings_stay_until_it_is_destroyed(second: Workspace) -> None:
    assert devtest("--name", "other", "undercloud", "stop").returncode == 2
    assert devtest(*OPTIONS, "--transfer-network", "10.99.0.0/30", "status").returncode == 2
    assert container.pid(local.current(second)) is not None


def test_destroying_one_leaves_the_other(undercloud: Workspace, second: Workspace) -> None:
    """Last: the others need what it destroys."""
    first = container.pid(local.current(undercloud))
    assert devtest(*OPTIONS, "destroy").returncode == 0
    assert ours() == set()
    assert not second.state.exists()
    assert first is not None
    assert container.pid(local.current(undercloud)) == first
    assert "192.168.24.0/24" in [str(each) for each in hostnet.destinations()]
