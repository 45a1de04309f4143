# SPDX-License-Identifier: Apache-2.0
import dataclasses
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from fakedaemon import FakeDaemon
from test_retry import Clock

from novadrivers.docker import containers
from novadrivers.docker.containers import SANDBOX, Containers, Settings, Spec
from novadrivers.docker.engine import Engine
from novadrivers.docker.errors import GuestEnded, NoContainer
from novadrivers.docker.limits import Flavor
from novadrivers.shared import guest_ended

ENGINE = Engine(
    podman=False,
    version="20.10.24",
    api_version=(1, 41),
    architecture="amd64",
    machine="x86_64",
    cgroup_version=1,
    storage_driver="overlay2",
    root_directory="/",
    cpus=2,
    memory=2**30,
    live_restore=True,
)
SETTINGS = Settings(
    host="node-docker",
    command=("/sbin/init",),
    privileged=False,
    capabilities=("SYS_BOOT",),
    dropped_capabilities=("SYS_BOOT", "MKNOD"),
    security_options=(),
    devices=("/dev/net/tun",),
    tmpfs=("/run",),
    config_drive_paths=("/mnt/config",),
    pids_limit=100,
    disk_quota=False,
)
SPEC = Spec(
    uuid="u1",
    name="instance-00000001",
    hostname="web-0",
    flavor=Flavor(memory_mb=512, vcpus=2, root_gb=1),
    config_drive=Path("/var/lib/nova/instances/u1/config-drive"),
    dns=("192.0.2.1",),
)


@pytest.fixture
def daemon() -> FakeDaemon:
    made = FakeDaemon()
    made.add_image("sha256:i", Cmd=["/sbin/init"], StopSignal="SIGRTMIN+3")
    made.add_image("sha256:bare")
    return made


@pytest.fixture
def instances(daemon: FakeDaemon) -> Containers:
    return Containers(daemon, ENGINE, SETTINGS)


def host_config(daemon: FakeDaemon, name: str = "nova-u1") -> Any:
    return daemon.made[name]["host_config"]


def test_instance_lives_in_its_sandbox_unprivileged(
    daemon: FakeDaemon, instances: Containers
) -> None:
    instances.create(SPEC, "sha256:i")
    host = host_config(daemon)
    assert host["NetworkMode"] == "container:nova-u1-net"
    assert not host.get("Privileged")
    assert host["CapAdd"] == ["SYS_BOOT"]
    assert host["CapDrop"] == ["MKNOD"], "what is added is not dropped"
    assert host["Memory"] == host["MemorySwap"] == 512 * 2**20
    assert host["CpuShares"] == 2048
    assert host["PidsLimit"] == 100
    assert host["Binds"] == [
        "/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",
        "/var/lib/nova/instances/u1/config-drive:/mnt/config:ro",
    ]
    assert host["Devices"][0]["PathOnHost"] == "/dev/net/tun"
    made = daemon.made["nova-u1"]
    assert made["tty"], "the console log needs a terminal"
    assert made["command"] is None, "the image's own"
    assert made["stop_signal"] == "SIGRTMIN+3"


def test_sandbox_can_do_nothing_and_ends_at_once(daemon: FakeDaemon, instances: Containers) -> None:
    instances.create(SPEC, "sha256:i")
    host, made = host_config(daemon, "nova-u1-net"), daemon.made["nova-u1-net"]
    assert host["NetworkMode"] == "none"
    assert host["CapDrop"] == ["ALL"]
    assert host["Dns"] == ["192.0.2.1"]
    assert made["hostname"] == "web-0"
    assert made["stop_signal"] == "SIGKILL"


@pytest.mark.parametrize(
    ("image", "command", "expected"),
    [
        ("sha256:i", (), None),
        ("sha256:bare", (), ["/sbin/init"]),
        ("sha256:i", ("/bin/other", "-x"), ["/bin/other", "-x"]),
    ],
)
def test_first_process(
    daemon: FakeDaemon, instances: Containers, image: str, command: Any, expected: Any
) -> None:
    instances.create(dataclasses.replace(SPEC, command=command), image)
    assert daemon.made["nova-u1"]["command"] == expected


def test_cgroup_namespace_reaches_the_daemon(daemon: FakeDaemon) -> None:
    engine = dataclasses.replace(ENGINE, cgroup_version=2)
    Containers(daemon, engine, SETTINGS).create(SPEC, "sha256:i")
    assert host_config(daemon)["CgroupnsMode"] == "host"


def test_only_this_hosts_instances_are_listed(daemon: FakeDaemon, instances: Containers) -> None:
    instances.create(SPEC, "sha256:i")
    other = Containers(daemon, ENGINE, dataclasses.replace(SETTINGS, host="other"))
    other.create(dataclasses.replace(SPEC, uuid="u2"), "sha256:i")
    assert instances.list() == {"u1": "instance-00000001"}
    assert list(other.list(SANDBOX)) == ["u2"]


def test_sandbox_starts_once(daemon: FakeDaemon, instances: Containers) -> None:
    instances.create(SPEC, "sha256:i")
    assert instances.start_sandbox("u1") == 4242
    assert instances.start_sandbox("u1") == 4242
    assert daemon.calls == [("start", "nova-u1-net")]


def test_missing_instance_is_said(instances: Containers) -> None:
    with pytest.raises(NoContainer) as caught:
        instances.state("u9")
    assert caught.value.uuid == "u9"


@pytest.mark.parametrize(("code", "is_reported"), [(0, True), (255, True), (129, False)])
def test_an_init_that_ends_at_once_is_reported(
    daemon: FakeDaemon,
    instances: Containers,
    code: int,
    is_reported: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guest_ended, "time", Clock())
    instances.create(SPEC, "sha256:i")
    instances.start("u1")
    instances.require_running("u1")
    daemon.exit("nova-u1", code)
    with pytest.raises(GuestEnded, match="login:$") if is_reported else nullcontext():
        instances.require_running("u1")


def test_paused_instance_is_thawed_to_stop(daemon: FakeDaemon, instances: Containers) -> None:
    instances.create(SPEC, "sha256:i")
    instances.start("u1")
    instances.pause("u1")
    assert instances.state("u1").paused
    instances.stop("u1", 7)
    assert daemon.calls[-1] == ("stop", "nova-u1", 7)
    assert not instances.state("u1").running


def test_removal_waits_for_another_and_can_be_repeated(
    daemon: FakeDaemon, instances: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    instances.create(SPEC, "sha256:i")
    daemon.removal_conflicts = 3
    instances.remove("u1")
    assert not daemon.made
    instances.remove("u1")


def test_console_is_cut_at_its_beginning(instances: Containers) -> None:
    log = instances.console("u1")
    assert len(log) == containers.CONSOLE_BYTES
    assert log.endswith(b"login:")
