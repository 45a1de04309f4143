# SPDX-License-Identifier: Apache-2.0
"""A docker archive that build-images made, booted by the driver's own code under a real dockerd.

The daemon is the tests' own and touches nothing of the machine's network; the instance has a
loopback device only. What Nova, Neutron and Heat add is tested in test_docker_instances.py.
"""

import json
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import infrastructure
import pytest

from novadrivers.docker import conf, containers, engine, limits
from novadrivers.docker.images import ImageCache

pytestmark = pytest.mark.gate

# Seconds for a boot and a refresh on a loaded machine.
PATIENCE = 300.0
OPTIONS = {option.name: option.default for option in conf.OPTIONS}
SETTINGS = containers.Settings(
    host="test-docker",
    command=tuple(OPTIONS["command"]),
    privileged=False,
    capabilities=tuple(OPTIONS["cap_add"]),
    dropped_capabilities=tuple(OPTIONS["cap_drop"]),
    security_options=(),
    devices=(),
    tmpfs=tuple(OPTIONS["tmpfs"]),
    config_drive_paths=tuple(OPTIONS["config_drive_paths"]),
    pids_limit=OPTIONS["pids_limit"],
    disk_quota=False,
)
# What a daemon writes outside the directories that it is given goes with its mount namespace.
PRIVATE = """
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /etc/docker
exec "$@"
"""
CGROUP = "test-docker"
UUID = "7d5d6a43-0fc1-4f9a-a8a2-2e9a3e1a2c11"


@pytest.fixture(scope="module")
def image(scratch: Path) -> Path:
    return infrastructure.build(scratch, "docker")


@pytest.fixture(scope="module")
def daemon(scratch: Path) -> Iterator[str]:
    """The URL of a dockerd that has nothing in common with one that the machine may have."""
    place = scratch / "dockerd"
    place.mkdir()
    url = f"unix://{place}/socket"
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-e", "-c", PRIVATE, "sh"]
    command += ["dockerd", "--host", url, "--data-root", f"{place}/data"]
    command += ["--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid", "--bridge=none"]
    command += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
    # Less would need CAP_SYS_RESOURCE.
    command += ["--oom-score-adjust=0", f"--cgroup-parent=/{CGROUP}"]
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (place / "socket").exists():
            assert process.poll() is None and time.monotonic() < deadline, (
                place / "log"
            ).read_text()
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(60)
        for group in Path("/sys/fs/cgroup").glob(f"**/{CGROUP}"):
            group.rmdir()
        shutil.rmtree(place)


class Node:
    """An instance and what the tests ask of it."""

    def __init__(self, url: str, image: Path, drive: Path) -> None:
        self.api = engine.connect(url, 300)
        self.engine = engine.describe(self.api)
        self.containers = containers.Containers(self.api, self.engine, SETTINGS)
        cache = ImageCache(self.api, drive.parent / "cache", self.engine.architecture)
        self.image = cache.ensure("glance-id", lambda path: shutil.copy(image, path))
        self.spec = containers.Spec(
            uuid=UUID,
            name="instance-1",
            hostname="node",
            flavor=limits.Flavor(memory_mb=1024, vcpus=1, root_gb=0),
            config_drive=drive,
        )

    def run(self, *command: str, check: bool = True) -> str:
        made = self.api.exec_create(containers.container_name(UUID), list(command))
        output: bytes = self.api.exec_start(made["Id"])
        code = self.api.exec_inspect(made["Id"])["ExitCode"]
        assert not check or code == 0, output.decode()
        return output.decode().strip()

    def enter(self, *command: str | Path) -> str:
        """Run a command of this machine where the instance's ports are."""
        pid = self.containers.state(UUID, containers.SANDBOX).pid
        target = ["nsenter", f"--net=/proc/{pid}/ns/net", "--"]
        return subprocess.run([*target, *command], capture_output=True, text=True).stdout

    def settled(self) -> str:
        """Wait until systemd has started everything and return its verdict."""
        deadline = time.monotonic() + PATIENCE
        while (state := self.run("systemctl", "is-system-running", check=False)) not in (
            "running",
            "degraded",
        ):
            assert time.monotonic() < deadline, self.containers.console(UUID).decode()
            time.sleep(0.5)
        return state

    def refreshed(self) -> str:
        """Wait until the metadata are applied and return what refresh.json says."""
        deadline = time.monotonic() + PATIENCE
        command = ("cat", "/var/lib/altostratus/refresh.json")
        while True:
            report = self.run(*command, check=False)
            if '"applied"' in report or '"failed"' in report:
                return report
            assert time.monotonic() < deadline, self.run("journalctl", "-n", "40")
            time.sleep(0.5)

    def ended(self) -> int:
        """Wait until the instance's init has ended and return its exit code."""
        deadline = time.monotonic() + 60
        while (state := self.containers.state(UUID)).running:
            assert time.monotonic() < deadline, self.containers.console(UUID).decode()
            time.sleep(0.1)
        return state.exit_code


@pytest.fixture(scope="module")
def node(daemon: str, image: Path, scratch: Path, key: Path) -> Iterator[Node]:
    drive = scratch / "config-drive"
    for name, text in infrastructure.config_drive(key).items():
        (drive / name).parent.mkdir(parents=True, exist_ok=True)
        (drive / name).write_text(text)
    booted = Node(daemon, image, drive)
    try:
        booted.containers.create(booted.spec, booted.image)
        booted.containers.start_sandbox(UUID)
        booted.enter("ip", "link", "set", "lo", "up")
        booted.containers.start(UUID)
        yield booted
    finally:
        booted.containers.remove(UUID)


def test_nothing_of_a_machine_is_in_the_image(image: Path) -> None:
    with (
        tarfile.open(image) as archive,
        tarfile.open(fileobj=archive.extractfile("layer.tar")) as root,
    ):
        names = set(root.getnames())
        shadow = root.extractfile("etc/shadow").read().decode()  # type: ignore[union-attr]
        assert root.getmember("etc/machine-id").size == 0
        assert root.getmember("etc/fstab").size == 0
        assert root.getmember("etc/resolv.conf").size == 0
    assert not [name for name in names if name.startswith("etc/ssh/ssh_host_")]
    assert "etc/dib-manifests/dib_environment" not in names
    assert "var/lib/rabbitmq/.erlang.cookie" not in names
    assert not [name for name in names if name.startswith("dev/")]
    assert shadow
    assert infrastructure.passwords(shadow) == []


def test_boots_without_a_failed_unit(node: Node) -> None:
    assert node.settled() == "running", node.run("systemctl", "--failed")
    assert "ordering cycle" not in node.run("journalctl", "--no-pager")
    assert node.run("cat", "/proc/1/comm") == "systemd"


def test_it_is_not_privileged(node: Node) -> None:
    found = node.api.inspect_container(containers.container_name(UUID))["HostConfig"]
    assert not found["Privileged"]
    assert sorted(found["CapAdd"]) == ["NET_ADMIN", "SYS_BOOT"]
    node.run("sh", "-c", "! mount -t tmpfs none /mnt")
    node.run("sh", "-c", "! mknod /tmp/loop b 7 0")


def test_cloud_init_did_what_nova_and_heat_told(node: Node, key: Path) -> None:
    status = json.loads(node.run("cat", "/run/cloud-init/status.json"))["v1"]
    assert "ConfigDrive" in status["datasource"]
    stages = ("init-local", "init", "modules-config", "modules-final")
    assert all(status[stage]["finished"] and not status[stage]["errors"] for stage in stages)
    assert node.run("hostname") == "node"
    assert json.loads(node.run("cat", "/var/lib/heat-cfntools/cfn-init-data"))
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
    command = ["ssh", "-i", key, *(word for option in options for word in ("-o", option))]
    assert node.enter(*command, "debian@127.0.0.1", "sudo -n id -un") == "root\n"
    assert "ED25519" in node.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")


def test_services_work(node: Node) -> None:
    text = json.dumps(infrastructure.NODE)
    node.run("install", "-m", "600", "/dev/null", infrastructure.METADATA)
    node.run("sh", "-c", 'printf %s "$1" > "$2"', "sh", text, infrastructure.METADATA)
    assert '"applied"' in (report := node.refreshed()), report
    for unit in infrastructure.UNITS:
        assert node.run("systemctl", "is-active", unit) == "active"
    account = ["--host=127.0.0.1", "--user=nova", "--password=other-password"]
    assert node.run("mariadb", *account, "nova", "-Ne", "SELECT DATABASE()") == "nova"
    node.run("rabbitmqctl", "--quiet", "authenticate_user", "openstack", "rabbit-password")
    assert node.settled() == "running", node.run("systemctl", "--failed")


def test_console_shows_the_journal(node: Node) -> None:
    deadline = time.monotonic() + PATIENCE
    while "99-refresh-completed completed" not in node.containers.console(UUID).decode():
        assert time.monotonic() < deadline
        time.sleep(0.5)


@pytest.mark.full
def test_reboot_and_power_off_from_inside_differ(node: Node) -> None:
    node.run("systemctl", "reboot", check=False)
    assert node.ended() == containers.EXIT_REBOOT
    node.containers.start(UUID)
    assert node.settled() == "running"
    node.run("systemctl", "poweroff", check=False)
    assert node.ended() != containers.EXIT_REBOOT
    node.containers.start(UUID)
    assert node.settled() == "running"


def test_it_shuts_down_when_asked(node: Node) -> None:
    started = time.monotonic()
    node.containers.stop(UUID, 60)
    assert node.ended() not in (137, containers.EXIT_REBOOT)
    assert time.monotonic() - started < 60
