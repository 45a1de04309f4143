# SPDX-License-Identifier: Apache-2.0
"""Docker instances through Nova, Neutron, Glance and Heat of a running undercloud.

A stack of two instances is deployed by ``devtest run``; one of them is led through its life, then
the daemons are killed under both, and images that cannot be instances are tried. The tests follow
each other; each leaves the instances running.
"""

import hashlib
import io
import json
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import handles
import pytest
from conftest import devtest

from altostratus.datafiles import examples_path
from devtest import clouds, container
from devtest import undercloud as node
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.workspace import Workspace
from imagebuild import recipes

pytestmark = pytest.mark.gate

CLOUD = "docker-life"
ROLES = """
roles:
  cache:
    hypervisor: docker
    count: 2
    services: [memcached]
    flavor: {ram: 512}
"""
# Seconds for a step on a loaded machine.
PATIENCE = 240.0
MARKER = "/etc/marker"
IMAGE = f"{CLOUD}.cache-docker"


def until(what: str, condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until ``condition`` is true, and return what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(1)
    return found


def parts(uuid: str) -> str:
    """A filter of docker for the containers of an instance."""
    return f"label=org.openstack.nova.uuid={uuid}"


@dataclass
class Life:
    """The deployed cloud and the instance that is led through its life."""

    workspace: Workspace
    connection: Any

    @property
    def instance(self) -> instances.Instance:
        return instances.find(self.connection, f"{CLOUD}/cache-0")

    @property
    def other(self) -> instances.Instance:
        return instances.find(self.connection, f"{CLOUD}/cache-1")

    def run(self, *command: str) -> str:
        """Run a command in the instance, over ssh."""
        return instances.execute(self.workspace, self.instance, *command).strip()

    def ask(self, verb: str) -> None:
        """Ask the instance's systemd to reboot or power off; the connection ends at some time."""
        command = ["sudo", "systemctl", verb]
        subprocess.run(instances.ssh_command(self.workspace, self.instance, command))

    def answers(self) -> bool:
        command = instances.ssh_command(self.workspace, self.instance, ["true"])
        return subprocess.run(command, capture_output=True).returncode == 0

    def init(self, uuid: str = "") -> str:
        """When an instance's first process was started, by the node's clock; empty: it is down."""
        name = f"nova-{uuid or self.instance.id}"
        pid = self.inside("docker", "inspect", "--format", "{{.State.Pid}}", name)
        return self.inside("sh", "-c", f"cut -d ' ' -f 22 /proc/{pid}/stat 2>&- || echo")

    def inside(self, *command: str) -> str:
        """Run a command on the undercloud's node."""
        return container.inside(node.current(self.workspace), *command).strip()

    def server(self, uuid: str) -> Any:
        return self.connection.compute.get_server(uuid)

    def becomes(self, status: str, uuid: str = "") -> None:
        """Wait until Nova has finished with a server and it has ``status``."""
        uuid = uuid or self.instance.id

        def settled() -> bool:
            server = self.server(uuid)
            assert server.status != "ERROR" or status == "ERROR", server.fault
            return server.status == status and not server.task_state

        until(f"{uuid} is {status}", settled)

    def applied(self) -> None:
        """Wait until the instance has its configuration."""
        until("ssh", self.answers)
        until(
            "configured",
            lambda: (
                instances.refresh_report(self.workspace, self.instance).get("state") == "applied"
            ),
        )

    def boot(self, name: str, image: str, flavor: str) -> str:
        """Ask for a server without ports and return its id."""
        server = self.connection.compute.create_server(
            name=f"{CLOUD}-{name}",
            image_id=image,
            flavor_id=self.connection.compute.find_flavor(flavor).id,
            networks="none",
        )
        return str(server.id)

    def delete(self, uuid: str) -> None:
        self.connection.compute.delete_server(uuid)
        until(f"{uuid} is gone", lambda: self.connection.compute.find_server(uuid) is None)


@pytest.fixture(scope="module")
def life(state: Workspace, scratch: Path, keep: bool) -> Iterator[Life]:
    file = scratch / f"{CLOUD}.yaml"
    example = (examples_path() / "overcloud.yaml").read_text()
    head = example[: example.index("\nroles:")]
    file.write_text(head.replace("name: overcloud", f"name: {CLOUD}") + ROLES)
    assert devtest("run", "--cloud", str(file)).returncode == 0
    connection = clouds.connect(state, "undercloud")
    yield Life(state, connection)
    if keep:
        return
    heat = stacks.client(connection)
    heat.stacks.delete(CLOUD)
    until("the stack is gone", lambda: stacks.find(heat, CLOUD) is None)
    for image in list(connection.image.images()):
        if image.name.startswith(CLOUD):
            connection.image.delete_image(image)


def test_heat_nova_and_neutron_agree(life: Life) -> None:
    for instance in (life.instance, life.other):
        assert (instance.status, instance.host) == ("ACTIVE", "undercloud-docker")
        assert set(instance.addresses) == {"ctlplane", "internal"}
    ports = life.connection.network.ports(device_id=life.instance.id)
    assert {port.binding_host_id for port in ports} == {"undercloud"}
    assert life.run("cat", "/proc/1/comm") == "systemd"
    assert life.run("systemctl", "is-system-running", "--wait") == "running"
    assert life.run("hostname") == "cache-0"
    life.run("ping", "-c1", "-W5", life.other.addresses["internal"])
    life.run("ping", "-c1", "-W5", life.other.addresses["ctlplane"])
    assert "os-collect-config" in instances.console(life.connection, life.instance, 2000)


def test_root_in_it_reads_no_file_of_the_node(life: Life) -> None:
    with handles.program(life.workspace, "/var/lib/nova-docker") as command:
        assert life.run(f"sudo {command(handles.CONFIG_DRIVE)}") == handles.REFUSED
    assert handles.harmful(life.run("sudo", "cat", "/proc/1/status")) == []


@pytest.mark.parametrize("kind", ["SOFT", pytest.param("HARD", marks=pytest.mark.full)])
def test_reboot(life: Life, kind: str) -> None:
    before = life.init()
    life.run("sudo", "touch", MARKER)
    life.connection.compute.reboot_server(life.instance.id, kind)
    until("a new init", lambda: new(life, before))
    life.becomes("ACTIVE")
    life.applied()
    life.run("test", "-f", MARKER)


def new(life: Life, before: str) -> bool:
    """Tell whether the instance runs with another first process than ``before``."""
    return life.init() not in ("", before)


def test_stop_and_start(life: Life) -> None:
    life.connection.compute.stop_server(life.instance.id)
    life.becomes("SHUTOFF")
    life.connection.compute.start_server(life.instance.id)
    life.becomes("ACTIVE")
    life.applied()
    life.run("ping", "-c1", "-W5", life.other.addresses["internal"])


@pytest.mark.full
def test_reboot_and_power_off_from_inside(life: Life) -> None:
    before = life.init()
    life.ask("reboot")
    until("a new init", lambda: new(life, before))
    life.applied()
    life.ask("poweroff")
    life.becomes("SHUTOFF")
    life.connection.compute.start_server(life.instance.id)
    life.becomes("ACTIVE")
    life.applied()


def test_pause(life: Life) -> None:
    life.connection.compute.pause_server(life.instance.id)
    life.becomes("PAUSED")
    life.connection.compute.unpause_server(life.instance.id)
    life.becomes("ACTIVE")
    until("ssh", life.answers)


def test_a_port_comes_and_goes(life: Life) -> None:
    compute = life.connection.compute
    network = life.connection.network.find_network("internal")
    made = compute.create_server_interface(life.instance.id, net_id=network.id)
    address = made.fixed_ips[0]["ip_address"]
    until("the address", lambda: address in life.run("ip", "-brief", "addr"))
    until("ping", lambda: pings(life, address))
    compute.delete_server_interface(made.port_id, server=life.instance.id)
    until("no address", lambda: address not in life.run("ip", "-brief", "addr"))
    assert made.port_id[:11] not in life.inside("ovs-vsctl", "list-ports", "br-int")


def pings(life: Life, address: str) -> bool:
    command = instances.ssh_command(life.workspace, life.other, ["ping", "-c1", "-W2", address])
    return subprocess.run(command, capture_output=True).returncode == 0


def test_snapshot_becomes_an_instance(life: Life) -> None:
    life.run("sudo", "touch", MARKER)
    image = life.connection.compute.create_server_image(life.instance.id, f"{CLOUD}-snapshot")
    until("the snapshot", lambda: life.connection.image.get_image(image.id).status == "active")
    life.becomes("ACTIVE")
    found = life.connection.image.get(f"/images/{image.id}").json()
    assert (found["container_format"], found["hypervisor_type"]) == ("docker", "docker")
    copy = life.boot("copy", image.id, f"{CLOUD}.cache")
    life.becomes("ACTIVE", copy)
    assert life.inside("docker", "exec", f"nova-{copy}", "ls", MARKER) == MARKER
    life.delete(copy)


@pytest.mark.full
def test_rebuild_gives_a_new_file_system_and_the_old_addresses(life: Life) -> None:
    before = life.instance.addresses
    life.run("sudo", "touch", MARKER)
    image = life.connection.image.find_image(IMAGE)
    life.connection.compute.rebuild_server(life.instance.id, image=image)
    until("no longer the old one", lambda: life.server(life.instance.id).status == "REBUILD")
    life.becomes("ACTIVE")
    life.applied()
    assert life.instance.addresses == before
    assert life.run("ls", MARKER, "2>/dev/null", "||", "echo", "gone") == "gone"


@pytest.mark.full
@pytest.mark.parametrize("unit", ["nova-compute-docker", "docker"])
def test_killed_daemons_lose_no_instance(life: Life, unit: str) -> None:
    before = [life.init(each.id) for each in (life.instance, life.other)]
    process = life.inside("systemctl", "show", "--property=MainPID", "--value", unit)
    life.inside("kill", "-KILL", process)

    def again() -> bool:
        shown = life.inside("systemctl", "show", "--property=MainPID,ActiveState", unit)
        return "ActiveState=active" in shown and f"MainPID={process}\n" not in f"{shown}\n"

    until(f"{unit} is back", again)
    until("docker answers", lambda: life.inside("docker", "ps", "--quiet"))
    assert [life.init(each.id) for each in (life.instance, life.other)] == before
    life.run("ping", "-c1", "-W5", life.other.addresses["internal"])
    assert life.instance.status == life.other.status == "ACTIVE"
    # The driver follows the daemon again: it sees what happens inside.
    life.ask("reboot")
    until("a new init", lambda: new(life, before[0]))
    life.applied()


WATCHFUL = ("sync_power_state_interval = 1", "periodic_fuzzy_delay = 0")


@pytest.fixture
def watched(life: Life) -> Iterator[None]:
    """Nova looks every second whether the instances run, not every ten minutes."""
    file = "/etc/nova/compute/nova-docker.conf"

    def again() -> None:
        life.inside("systemctl", "restart", "nova-compute-docker")
        until("nova-compute is up", up)

    def up() -> bool:
        services = life.connection.compute.services(binary="nova-compute")
        return any(each.host == life.instance.host and each.state == "up" for each in services)

    life.inside("sed", "-i", rf"s/^\[DEFAULT\]/&\n{WATCHFUL[0]}\n{WATCHFUL[1]}/", file)
    again()
    yield
    life.inside("sed", "-i", f"/^{WATCHFUL[0]}/d; /^{WATCHFUL[1]}/d", file)
    again()


@pytest.mark.full
@pytest.mark.usefixtures("watched")
def test_a_reboot_inside_is_no_shutdown(life: Life) -> None:
    # nova-compute is ready before Nova looks for the first time.
    time.sleep(5)
    before = life.init()
    life.ask("reboot")
    until("a new init", lambda: new(life, before))
    life.applied()
    assert life.instance.status == "ACTIVE"


@dataclass(frozen=True)
class Refused:
    """An image that cannot be an instance, and the words that the user must see."""

    name: str
    says: str
    container_format: str = "docker"
    images: int = 1
    tags: tuple[Any, ...] = ()
    """Names that the archive gives its image."""
    unpacked: int = 0
    """Bytes of zeros in the image's only file; the archive is compressed."""


REFUSED = (
    Refused("format", "its container_format is bare, not docker", container_format="bare"),
    Refused("two", "the archive holds 2 images, not one", images=2),
    Refused("names", "RepoTags is [5]", tags=(5,)),
    # Nova's API compares the archive with the flavor, the driver what is in it.
    Refused(
        "disk",
        "Flavor's disk is too small for requested image",
        tags=("somebody/disk:1",),
        unpacked=5 * 2**30 // 4,
    ),
)


def archive(path: Path, refused: Refused) -> Path:
    """Write the docker archive that ``refused`` describes."""
    root = path.with_suffix(".root")
    root.mkdir()
    with (root / "zeros").open("wb") as file:
        file.truncate(refused.unpacked)
    layer = path.with_suffix(".layer")
    subprocess.run(["tar", "-C", root, "-cf", layer, "."], check=True)
    with layer.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    subprocess.run(["gzip", "-1", layer], check=True)
    configuration = {
        "architecture": recipes.architecture(),
        "os": "linux",
        "config": {"Cmd": ["/sbin/init"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    image = {"Config": "c.json", "RepoTags": refused.tags, "Layers": ["layer.tar"]}
    files = {"c.json": configuration, "manifest.json": [image] * refused.images}
    with tarfile.open(path, "w") as tar:
        tar.add(f"{layer}.gz", "layer.tar")
        for name, content in files.items():
            text = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text))
    return path


def fault(life: Life, uuid: str) -> str:
    life.becomes("ERROR", uuid)
    message: str = life.server(uuid).fault["message"]
    life.delete(uuid)
    return message


@pytest.fixture(scope="module")
def small(life: Life) -> Iterator[str]:
    """A flavor with a disk of 1 GiB."""
    name = f"{CLOUD}-small"
    flavor = life.connection.compute.create_flavor(name=name, ram=256, vcpus=1, disk=1)
    yield name
    life.connection.compute.delete_flavor(flavor)


@pytest.mark.parametrize(
    "refused",
    [REFUSED[0], *(pytest.param(each, marks=pytest.mark.full) for each in REFUSED[1:])],
    ids=lambda each: each.name,
)
def test_what_cannot_be_an_instance_is_refused_with_the_reason(
    life: Life, small: str, refused: Refused, tmp_path: Path
) -> None:
    image = life.connection.image.create_image(
        name=f"{CLOUD}-{refused.name}",
        filename=str(archive(tmp_path / "image.tar", refused)),
        disk_format="raw",
        container_format=refused.container_format,
        hypervisor_type="docker",
        validate_checksum=False,
    )
    message = fault(life, life.boot(refused.name, image.id, small))
    assert refused.says in message
    # Only what could be loaded is in the cache.
    cached = life.inside("docker", "images", "--quiet", f"nova-glance/{image.id}")
    assert bool(cached) == bool(refused.unpacked)
    # Under no name of its maker's.
    assert not any(life.inside("docker", "images", "--quiet", str(each)) for each in refused.tags)
    if cached:
        life.inside("docker", "rmi", f"nova-glance/{image.id}")


def test_nothing_is_left_of_a_deleted_instance(life: Life) -> None:
    uuid = life.boot("short", life.connection.image.find_image(IMAGE).id, f"{CLOUD}.cache")
    life.becomes("ACTIVE", uuid)
    assert len(life.inside("docker", "ps", "--quiet", "--filter", parts(uuid)).split()) == 2
    life.delete(uuid)
    assert life.inside("docker", "ps", "--all", "--quiet", "--filter", parts(uuid)) == ""
    life.inside("test", "!", "-e", f"/var/lib/nova-docker/instances/{uuid}")
    known = {each.id for each in (life.instance, life.other)}
    shown = life.inside(
        *("docker", "ps", "--all", "--format", '{{.Label "org.openstack.nova.uuid"}}')
    )
    assert set(shown.split()) == known
    plugged = life.inside("ovs-vsctl", "list-ports", "br-int").split()
    taps = {name.removeprefix("tap") for name in plugged if name.startswith("tap")}
    assert taps <= {port.id[:11] for port in life.connection.network.ports()}
