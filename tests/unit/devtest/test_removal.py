# SPDX-License-Identifier: Apache-2.0
"""Removing one cloud: what is its own, what belongs to others, what nodes keep of it."""

import argparse
import contextlib
import hashlib
import json
import os
import pty
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from records import manifest

from altostratus.clients.errors import ServiceError
from altostratus.datafiles import examples_path
from altostratus.errors import AltostratusError
from altostratus.process import CommandError
from devtest import clouds, container, main
from devtest.cloud import removal
from devtest.commands import machine
from devtest.container.spec import Network, Spec
from devtest.undercloud import instances
from devtest.workspace import Workspace
from generator import generate


def made(workspace: Workspace, example: str, name: str, rename: str = "") -> None:
    """Generate the files of an example, with another name if ``rename`` says so."""
    text = (examples_path() / f"{example}.yaml").read_text()
    if rename:
        text = text.replace(f"name: {name}", f"name: {rename}", 1)
    file = workspace.state / f"{rename or name}.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    generate.generate(file, workspace.stacks(rename or name))


@pytest.fixture
def two(workspace: Workspace) -> Workspace:
    """A workspace with the undercloud and two clouds on the same networks."""
    made(workspace, "undercloud", "undercloud")
    made(workspace, "overcloud", "overcloud")
    made(workspace, "overcloud", "overcloud", "second")
    return workspace


def test_names_of_other_clouds_are_left_alone(two: Workspace) -> None:
    assert removal.known(two) == ["overcloud", "second"]
    images = removal.names_of(two, "second", removal._images)
    assert images
    assert not images & removal._images(two, "overcloud")
    flavors = removal.names_of(two, "second", removal._flavors)
    assert flavors
    assert not flavors & removal._flavors(two, "overcloud")
    # Both clouds, and the undercloud, use these.
    assert removal._networks(two, "second") == {"ctlplane", "internal"}
    assert removal.names_of(two, "second", removal._networks) == set()


def test_the_last_cloud_on_a_network_takes_it_away_but_not_the_underclouds(
    workspace: Workspace,
) -> None:
    made(workspace, "undercloud", "undercloud")
    made(workspace, "overcloud", "overcloud")
    assert removal.names_of(workspace, "overcloud", removal._networks) == {"internal"}


def test_a_name_that_two_clouds_share_stays(two: Workspace) -> None:
    listed = {"flavors": [{"name": "shared"}, {"name": "own"}]}
    two.generated("second").flavors.write_text(json.dumps(listed))
    two.generated("overcloud").flavors.write_text(json.dumps({"flavors": [{"name": "shared"}]}))
    assert removal.names_of(two, "second", removal._flavors) == {"own"}


def test_images_of_another_type_that_were_built_go_too(two: Workspace) -> None:
    manifest(two, "second", "second-database-docker", "x.tar", "ab" * 32)
    names = removal.names_of(two, "second", removal._images)
    assert {"second-database-docker", "second-database-lxc"} <= names


def test_forgetting_a_cloud_leaves_the_others(two: Workspace) -> None:
    for cloud in ("overcloud", "second"):
        clouds.register(two, cloud, "192.168.24.9")
        (two.images(cloud) / "x").mkdir(parents=True)
    removal.forget(two, "second")
    assert clouds.known(two) == ["overcloud"]
    assert removal.known(two) == ["overcloud"]
    assert not two.images("second").exists()
    assert two.images("overcloud").exists()
    # Again does nothing.
    removal.forget(two, "second")


@pytest.mark.parametrize("name", ["undercloud", "third", "", "..", "overcloud/x"])
def test_only_a_cloud_can_be_removed(two: Workspace, name: str) -> None:
    removal.require(two, "second")
    with pytest.raises(AltostratusError, match="there is no cloud") as caught:
        removal.require(two, name)
    assert "overcloud, second" in str(caught.value.hint)


def test_nodes_are_removed_before_their_cloud(two: Workspace) -> None:
    generate.generate(examples_path() / "hypervisor-node.yaml", two.stacks("hypervisor-node"))
    removal.require(two, "hypervisor-node")
    node = two.nodes / "hypervisor-0"
    Spec("altostratus-hypervisor-0", node, Path(), "", Network("", "", "")).save()
    with pytest.raises(
        AltostratusError, match="has nodes of the undercloud: hypervisor-0"
    ) as caught:
        removal.require(two, "hypervisor-node")
    assert caught.value.hint == "devtest node remove hypervisor-0"


class FakeNetworks:
    """Neutron's networks and ports by network."""

    def __init__(self, ports: dict[str, list[str]]) -> None:
        self.there = {name: SimpleNamespace(id=name, name=name) for name in ports}
        self._ports = ports

    def networks(self) -> list[Any]:
        return list(self.there.values())

    def ports(self, network_id: str) -> list[Any]:
        return [SimpleNamespace(device_owner=owner) for owner in self._ports[network_id]]

    def delete_network(self, network: Any) -> None:
        del self.there[network.name]


def test_a_network_with_somebodys_port_stays() -> None:
    network = FakeNetworks(
        {
            "used": ["network:dhcp", "compute:nova"],
            "routed": ["network:router_interface"],
            "free": ["network:dhcp"],
            "other": [],
        }
    )
    connection: Any = SimpleNamespace(network=network)
    assert removal.delete_networks(connection, {"used", "routed", "free"}) == ["used", "routed"]
    assert set(network.there) == {"used", "routed", "other"}


def test_images_go_with_their_kernels_also_if_one_is_gone_already(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"image": {"id": "image", "kernel_id": "kernel", "ramdisk_id": "lost"}, "kernel": {}}

    class Images:
        def __init__(self, _: Any) -> None:
            pass

        def find(self, name: str) -> list[dict[str, str]]:
            return [there["image"]] if name == "web" else []

        def delete(self, identity: str) -> None:
            if there.pop(identity, None) is None:
                raise ServiceError("no such image", status=404)

    monkeypatch.setattr(removal, "Glance", Images)
    connection: Any = SimpleNamespace(config=None)
    removal.delete_images(connection, {"web", "absent"})
    assert there == {}


def test_copies_of_images_that_are_gone_are_removed(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = Spec("c", workspace.container, Path(), "", Network("", "", ""), data=("/var/lib/nova",))
    base = spec.data_directory("/var/lib/nova") / "instances/_base"
    base.mkdir(parents=True)

    def copy(image: str, suffix: str = "") -> Path:
        path = base / f"{hashlib.sha1(image.encode()).hexdigest()}{suffix}"
        path.touch()
        return path

    stays = [copy("in-glance"), copy("of-a-server"), copy("of-a-server", "_20")]
    other = base / "ephemeral_1_default"
    other.touch()
    gone = [copy("gone"), copy("gone", "_20"), copy("gone", ".part")]
    monkeypatch.setattr(removal.undercloud, "current", lambda _: spec)
    server = SimpleNamespace(image="of-a-server")
    monkeypatch.setattr(instances, "list_instances", lambda _: [server])
    commands: list[tuple[str, ...]] = []

    def inside(_: Spec, *command: str) -> str:
        commands.append(command)
        return "nova-glance/in-glance\nnova-glance/gone\nregistry/app\n"

    monkeypatch.setattr(container, "inside", inside)
    image = SimpleNamespace(images=lambda: [SimpleNamespace(id="in-glance")])
    connection: Any = SimpleNamespace(image=image)
    assert removal.clean_caches(workspace, connection) == 4
    assert not [path for path in gone if path.exists()]
    assert all(path.exists() for path in [*stays, other])
    assert [each for each in commands if each[2] == "rm"] == [
        ("docker", "image", "rm", "nova-glance/gone")
    ]

    def without(*_: Any) -> str:
        raise CommandError("no docker", returncode=127)

    monkeypatch.setattr(container, "inside", without)
    assert removal.clean_caches(workspace, connection) == 0


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> Iterator[int]:
    """A terminal as standard input and error, on which the user types ``answer``."""
    master, slave = pty.openpty()
    os.write(master, answer.encode())
    with (
        os.fdopen(slave, "r") as stdin,
        os.fdopen(os.dup(slave), "w") as stderr,
        monkeypatch.context() as patched,
    ):
        patched.setattr(sys, "stdin", stdin)
        patched.setattr(sys, "stderr", stderr)
        yield master
    os.close(master)


@pytest.mark.parametrize("answer", ["\n", "n\n", "no\n", "maybe\n"])
def test_destroy_asks_on_a_terminal_and_a_no_removes_nothing(
    answer: str, two: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    with terminal(monkeypatch, answer) as master:
        with pytest.raises(AltostratusError, match="nothing was removed"):
            machine.confirm(machine.losses(two), argparse.Namespace(yes=False))
        shown = ""
        while "[y/N]" not in shown:
            shown += os.read(master, 4096).decode()
    assert "the cloud overcloud" in shown
    assert "the cloud second" in shown
    assert str(two.state) in shown


@pytest.mark.parametrize("answer", ["y\n", "YES\n"])
def test_a_yes_goes_on(answer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, answer):
        machine.confirm(["x"], argparse.Namespace(yes=False))


def test_nobody_is_asked_with_yes_or_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal(monkeypatch, "n\n"):
        machine.confirm(["x"], argparse.Namespace(yes=True))
        with Path(os.devnull).open() as nothing, monkeypatch.context() as patched:
            patched.setattr(sys, "stdin", nothing)
            machine.confirm(["x"], argparse.Namespace(yes=False))


def test_a_cloud_of_an_undercloud_that_never_ran_is_files_alone(
    two: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(two.state))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert main.main(["destroy", "--cloud", "second", "--yes"]) == 0
    assert removal.known(two) == ["overcloud"]
    assert main.main(["destroy", "--cloud", "second", "--yes"]) == 1


def test_a_stopped_undercloud_must_be_started_first(
    two: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALTOSTRATUS_STATE", str(two.state))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    Spec("altostratus", two.container, Path(), "", two.settings.network()).save()
    assert main.main(["destroy", "--cloud", "second", "--yes"]) == 1
    said = capsys.readouterr().err
    assert "the undercloud does not run" in said
    assert "devtest undercloud start" in said
    assert removal.known(two) == ["overcloud", "second"]
