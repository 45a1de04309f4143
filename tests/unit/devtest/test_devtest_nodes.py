# SPDX-License-Identifier: Apache-2.0
"""Which nodes there are, and what their containers are made of."""

from dataclasses import replace
from pathlib import Path

import pytest
from records import manifest

from altostratus.datafiles import examples_path
from altostratus.errors import AltostratusError, InputError
from devtest.container import spec
from devtest.settings import Settings
from devtest.undercloud import nodes
from devtest.workspace import Workspace
from generator import generate

CLOUD = "hypervisor-node"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The example, generated, with a record of an image."""
    top = tmp_path_factory.mktemp("nodes")
    workspace = Workspace(top / "state", top / "cache")
    for cloud in ("undercloud", CLOUD):
        generate.generate(examples_path() / f"{cloud}.yaml", workspace.stacks(cloud))
    manifest(workspace, CLOUD, "hypervisor-node.hypervisor-lxc", "node.raw", "abc")
    return workspace


def test_a_node_has_its_own_address_on_a_wire_to_the_undercloud(workspace: Workspace) -> None:
    node = nodes.describe(workspace, CLOUD, "hypervisor-1")
    assert node.compute_hosts == ("hypervisor-1-lxc",)
    assert node.agent_host == "hypervisor-1"
    wire = node.spec.network
    assert (wire.address, wire.gateway, wire.peer) == (
        "192.168.24.3/24",
        "192.168.24.1",
        "altostratus",
    )
    assert len(wire.link) <= nodes.LINK_LENGTH
    assert node.spec.data == ("/var/lib/nova-lxc",)
    assert node.spec.image.name == "node.raw"


def test_a_described_node_is_found_again(workspace: Workspace) -> None:
    assert nodes.choose(workspace, CLOUD, None) == "hypervisor-0"
    with pytest.raises(AltostratusError, match="which node"):
        nodes.find(workspace, None)
    first = nodes.describe(workspace, CLOUD, "hypervisor-0")
    first.spec.state.mkdir(parents=True)
    saved = first.spec.save()
    assert spec.load(saved) == first.spec
    assert nodes.find(workspace, None) == first
    assert nodes.choose(workspace, CLOUD, None) == "hypervisor-1"
    with pytest.raises(AltostratusError, match="no node hypervisor-1"):
        nodes.find(workspace, "hypervisor-1")


def test_an_unknown_node_is_refused_with_those_that_exist(workspace: Workspace) -> None:
    with pytest.raises(InputError) as error:
        nodes.describe(workspace, CLOUD, "hypervisor-7")
    assert error.value.hint == "nodes: hypervisor-0, hypervisor-1"


def test_long_names_have_links_of_their_own(tmp_path: Path) -> None:
    links = {nodes.link_name(f"a-node-with-a-long-name-{number}") for number in range(20)}
    assert len(links) == 20
    assert all(len(link) <= nodes.LINK_LENGTH for link in links)


def test_a_node_follows_the_name_of_its_undercloud(workspace: Workspace) -> None:
    node = nodes.describe(replace(workspace, settings=Settings("lab")), CLOUD, "hypervisor-0")
    assert node.spec.name == "altostratus.lab-hypervisor-0"
    assert node.spec.network.peer == "altostratus.lab"


def test_a_node_of_other_networks_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    for cloud in ("undercloud", CLOUD):
        text = (examples_path() / f"{cloud}.yaml").read_text().replace("192.168.24.", "10.1.2.")
        (tmp_path / f"{cloud}.yaml").write_text(text)
    other = Workspace(tmp_path / "state", workspace.cache)
    generate.generate(examples_path() / "undercloud.yaml", other.stacks("undercloud"))
    generate.generate(tmp_path / f"{CLOUD}.yaml", other.stacks(CLOUD))
    manifest(other, CLOUD, "hypervisor-node.hypervisor-lxc", "node.raw", "abc")
    with pytest.raises(AltostratusError, match="no network whose gateway is the undercloud"):
        nodes.describe(other, CLOUD, "hypervisor-0")
