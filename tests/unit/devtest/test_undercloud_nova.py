# SPDX-License-Identifier: Apache-2.0
"""What devtest asks of the undercloud's Nova and Glance, with the real clients."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))
sys.path.insert(0, str(Path(__file__).parent.parent / "imagebuild"))

import fakecompute
import fakeglance
import loopback
from fakecompute import FakeCompute
from loopback import Answer

from altostratus.errors import AltostratusError
from devtest import clouds, container
from devtest.cloud import verify
from devtest.undercloud import instances, lifecycle, nodes, prepare
from devtest.workspace import Workspace

HOSTS = ("node-lxc", "node-kvm")
PUBLIC = "ssh-ed25519 AAAA devtest"


@pytest.fixture
def nova() -> Iterator[FakeCompute]:
    with fakecompute.serving() as fake:
        hosts = (*HOSTS, "undercloud-lxc")
        record = {"binary": "nova-compute", "status": "enabled", "state": "up"}
        fake.services = [{**record, "id": f"u-{host}", "host": host} for host in hosts]
        fake.hypervisors = [
            {"id": host, "state": "up", "service": {"host": host}} for host in hosts
        ]
        yield fake


class Network:
    """Neutron's agents and quotas, as openstacksdk has them."""

    def __init__(self) -> None:
        self.left = [SimpleNamespace(id="a1", is_alive=True)]
        self.quotas: dict[str, Any] = {}

    def agents(self, host: str) -> list[Any]:
        assert host == "node"
        return list(self.left)

    def delete_agent(self, agent: Any) -> None:
        self.left.remove(agent)


@pytest.fixture
def undercloud(nova: FakeCompute) -> Any:
    network = Network()
    return SimpleNamespace(
        config=nova.region(),
        network=network,
        current_project_id="p",
        set_network_quotas=lambda project, **limits: network.quotas.update(limits),
    )


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> nodes.Node:
    """A node whose container runs, until ``container.stop`` is called."""
    running = [4242]
    monkeypatch.setattr(container, "pid", lambda spec: running[0] if running else None)
    monkeypatch.setattr(container, "stop", lambda spec: running.clear())
    monkeypatch.setattr(container, "inside", lambda *command: "")
    monkeypatch.setattr(lifecycle, "bridge", lambda workspace: "br")
    monkeypatch.setattr(lifecycle, "current", lambda workspace: None)
    state = tmp_path / "node"
    state.mkdir()
    spec: Any = SimpleNamespace(state=state, network=SimpleNamespace(link="as-node"))
    return nodes.Node("node", spec, HOSTS, "node")


def states(nova: FakeCompute) -> list[str]:
    return [each["status"] for each in nova.services]


def test_a_node_with_instances_takes_servers_again(
    nova: FakeCompute, undercloud: Any, node: nodes.Node
) -> None:
    on_it = {"OS-EXT-SRV-ATTR:host": "node-kvm"}
    nova.servers = [fakecompute.server("stays", "c", **on_it), fakecompute.server("other", "c")]
    with pytest.raises(AltostratusError, match="node has instances: stays"):
        nodes.drain(undercloud, node, delete=False)
    assert states(nova) == ["enabled"] * 3
    assert nova.services[0]["disabled_reason"] == "devtest node remove"
    nodes.drain(undercloud, node, delete=True)
    assert states(nova) == ["disabled", "disabled", "enabled"]
    assert [each["name"] for each in nova.servers] == ["other"]


def test_a_node_that_does_not_run_is_forced_down(
    nova: FakeCompute, undercloud: Any, node: nodes.Node
) -> None:
    """Nova would wait for its answer for minutes."""
    container.stop(node.spec)
    nodes.drain(undercloud, node, delete=False)
    assert [each.get("forced_down") for each in nova.services] == [True, True, None]
    assert states(nova) == ["enabled"] * 3


def test_a_removed_node_leaves_no_record(
    nova: FakeCompute, undercloud: Any, node: nodes.Node, tmp_path: Path
) -> None:
    nodes.forget(Workspace(tmp_path, tmp_path), undercloud, node)
    assert [each["host"] for each in nova.services] == ["undercloud-lxc"]
    assert undercloud.network.left == []
    assert not node.spec.state.exists()


def test_a_node_that_comes_back_takes_servers(
    nova: FakeCompute, undercloud: Any, node: nodes.Node
) -> None:
    nova.services[0]["status"] = "disabled"
    nodes.await_registered(undercloud, node)
    assert states(nova) == ["enabled"] * 3


def test_hosts_are_unknown_while_nova_answers_with_an_error(
    nova: FakeCompute, undercloud: Any
) -> None:
    assert prepare.compute_hosts(undercloud) == {*HOSTS, "undercloud-lxc"}
    nova.refusal = Answer(500, {"computeFault": {"code": 500, "message": "Unexpected API Error."}})
    assert prepare.compute_hosts(undercloud) == set()
    silent: Any = SimpleNamespace(config=loopback.region("http://127.0.0.1:9"))
    with pytest.raises(AltostratusError, match="Nova is unreachable"):
        prepare.compute_hosts(silent)


def test_quotas_are_lifted(nova: FakeCompute, undercloud: Any) -> None:
    prepare.lift_quotas(undercloud)
    unlimited = {"cores": -1, "ram": -1, "instances": -1}
    assert nova.quotas == {"project": "p", "force": True, **unlimited}
    assert undercloud.network.quotas == {"network": -1, "subnet": -1, "port": -1}


def test_the_key_is_replaced_only_if_it_differs(nova: FakeCompute, undercloud: Any) -> None:
    prepare.upload_key(undercloud, PUBLIC)
    assert nova.keys == {"altostratus": PUBLIC}
    nova.calls.clear()
    prepare.upload_key(undercloud, "ssh-ed25519 AAAA another comment")
    assert nova.calls == []
    prepare.upload_key(undercloud, "ssh-ed25519 BBBB devtest")
    assert nova.calls == ["DELETE os-keypairs altostratus", "POST os-keypairs"]
    assert nova.keys == {"altostratus": "ssh-ed25519 BBBB devtest"}


def test_the_console_of_an_instance(nova: FakeCompute, undercloud: Any) -> None:
    nova.servers = [fakecompute.server("web-0", "c")]
    instance = instances.find(undercloud, "web-0")
    assert instances.console(undercloud, instance, 20) == "the last 20 lines\n"


def deployed(workspace: Workspace) -> verify.Deployed:
    undercloud: Any = None
    return verify.Deployed(workspace, undercloud, "c", frozenset({"glance"}), (), {})


@pytest.mark.parametrize("damage", [False, True])
def test_an_image_is_stored_and_removed(
    damage: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fakeglance.serving() as glance:
        glance.damage = damage
        connection = SimpleNamespace(config=loopback.region(glance.url))
        monkeypatch.setattr(clouds, "connect", lambda workspace, cloud: connection)
        if damage:
            with pytest.raises(AltostratusError, match="returned other bytes"):
                verify.keeps_image(deployed(Workspace(tmp_path, tmp_path)))
        else:
            verify.keeps_image(deployed(Workspace(tmp_path, tmp_path)))
        assert glance.methods() == ["POST", "PUT", "DELETE"]
        assert glance.images == {}
