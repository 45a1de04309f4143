# SPDX-License-Identifier: Apache-2.0
"""Modules of the docker driver without side effects."""

import dataclasses
import subprocess
import sys
from typing import Any

import pytest
from oslo_config import cfg
from test_docker_containers import ENGINE

from novadrivers.docker import cgroups, commands, conf, engine, inventory, limits, ports
from novadrivers.docker.cgroups import ControlGroups
from novadrivers.docker.errors import UnusableFlavor
from novadrivers.docker.unsupported import UNSUPPORTED, UnsupportedMixin

V1 = ControlGroups(binds=("/sys/fs/cgroup/systemd:/sys/fs/cgroup/systemd:rw",))
V2 = ControlGroups(binds=("/sys/fs/cgroup:/sys/fs/cgroup:rw",), namespace="host")
V2_NEW = ControlGroups(namespace="private", security_options=("writable-cgroups=true",))


@pytest.mark.parametrize(
    ("version", "api", "podman", "expected"),
    [
        (1, (1, 41), False, V1),
        (1, (1, 50), False, V1),
        (2, (1, 41), False, V2),
        (2, (1, 48), False, V2_NEW),
        (1, (1, 40), True, ControlGroups()),
        (2, (1, 41), True, ControlGroups()),
    ],
)
def test_control_groups_for_systemd(version: int, api: Any, podman: bool, expected: Any) -> None:
    found = dataclasses.replace(ENGINE, cgroup_version=version, api_version=api, podman=podman)
    assert cgroups.for_systemd(found) == expected


def test_host_namespace_and_whole_tree_only_together() -> None:
    """With a private namespace the guest's systemd would own the host's root group."""
    assert V2.namespace == "host"
    assert not V2_NEW.binds


class Daemon:
    def version(self) -> Any:
        return {"Version": "20.10.24+dfsg1", "ApiVersion": "1.41", "Arch": "amd64"}

    def info(self) -> Any:
        return {"Architecture": "x86_64", "Driver": "overlay2", "NCPU": 2, "MemTotal": 2**31}


def test_engine_is_described() -> None:
    found = engine.describe(Daemon())
    assert found.version_number == 20010024
    assert (found.api_version, found.cgroup_version, found.live_restore) == ((1, 41), 1, False)


def test_podman_is_recognised() -> None:
    class Podman(Daemon):
        def version(self) -> Any:
            return super().version() | {"Version": "4.3", "Components": [{"Name": "Podman Engine"}]}

        def info(self) -> Any:
            return super().info() | {"Architecture": "amd64", "CgroupVersion": "2"}

    found = engine.describe(Podman())
    assert found.podman
    assert found.live_restore
    assert (found.machine, found.cgroup_version, found.version_number) == ("x86_64", 2, 4003000)


def test_limits_come_from_the_flavor() -> None:
    flavor = limits.Flavor(
        memory_mb=256,
        vcpus=3,
        root_gb=5,
        extra_specs={"quota:cpu_shares": "100", "quota:cpu_quota": "50000", "hw:other": "x"},
    )
    assert limits.host_config(flavor, pids=9, disk_quota=True) == {
        "mem_limit": 256 * 2**20,
        "memswap_limit": 256 * 2**20,
        "cpu_shares": 100,
        "cpu_quota": 50000,
        "pids_limit": 9,
        "storage_opt": {"size": "5G"},
    }
    assert "storage_opt" not in limits.host_config(flavor, pids=9, disk_quota=False)


def test_bad_quota_is_an_error() -> None:
    flavor = limits.Flavor(1, 1, 1, {"quota:cpu_quota": "much"})
    with pytest.raises(UnusableFlavor, match="quota:cpu_quota is 'much'"):
        limits.host_config(flavor, pids=9, disk_quota=False)


DISK = inventory.Disk(total=10 * 2**30, used=3 * 2**30, free=7 * 2**30)


def test_node_is_placed_by_its_type() -> None:
    found = inventory.resource(ENGINE, DISK, "node-docker")
    assert found["supported_instances"] == [("x86_64", "docker", "exe")]
    assert (found["memory_mb"], found["local_gb"], found["local_gb_used"]) == (1024, 10, 3)


def test_inventory_of_what_there_is() -> None:
    reserved, ratios = {"VCPU": 0, "MEMORY_MB": 512, "DISK_GB": 1}, {}
    ratios = {"VCPU": 16.0, "MEMORY_MB": 1.5, "DISK_GB": 1.0}
    found = inventory.inventory(ENGINE, DISK, reserved, ratios)
    assert found["MEMORY_MB"] == {
        "total": 1024,
        "reserved": 512,
        "min_unit": 1,
        "max_unit": 1024,
        "step_size": 1,
        "allocation_ratio": 1.5,
    }
    small = inventory.Disk(total=5, used=0, free=5)
    assert "DISK_GB" not in inventory.inventory(ENGINE, small, reserved, ratios)


VIF = {
    "id": "362a8415-94dc-49c9-b228-3c55d6499e44",
    "address": "FA:16:3E:AA:00:14",
    "active": False,
    "network": {
        "meta": {"mtu": 1450},
        "subnets": [
            {
                "cidr": "192.0.2.0/24",
                "version": 4,
                "gateway": {"address": "192.0.2.1"},
                "ips": [{"address": "192.0.2.7"}],
                "dns": [{"address": "192.0.2.2"}],
                "routes": [{"cidr": "198.51.100.0/24", "gateway": {"address": "192.0.2.3"}}],
            },
            {
                "cidr": "2001:db8::/64",
                "version": 6,
                "gateway": {"address": "2001:db8::1"},
                "ips": [{"address": "2001:db8::7"}],
                "dns": [{"address": "192.0.2.2"}],
            },
        ],
    },
}


def test_port_becomes_an_interface() -> None:
    found = ports.interface(VIF, "eth0")
    assert found.host_device == "tap362a8415-94"
    assert (found.mac, found.mtu) == ("fa:16:3e:aa:00:14", 1450)
    assert found.addresses == ("192.0.2.7/24", "2001:db8::7/64")
    assert found.routes == (
        ("0.0.0.0/0", "192.0.2.1"),
        ("198.51.100.0/24", "192.0.2.3"),
        ("::/0", "2001:db8::1"),
    )


def test_only_the_first_port_has_the_default_route() -> None:
    assert ports.interface(VIF, "eth1").routes == (("198.51.100.0/24", "192.0.2.3"),)


def test_agents_name_of_the_device_wins() -> None:
    assert ports.device_name({**VIF, "devname": "tapother"}) == "tapother"


def test_name_servers_once_each() -> None:
    assert ports.name_servers([VIF, VIF]) == ("192.0.2.2",)


def test_commands_of_a_port() -> None:
    interface = ports.interface(VIF, "eth0")
    assert " ".join(commands.create_pair(interface, 42)) == (
        "ip link add name tap362a8415-94 address fe:16:3e:aa:00:14 mtu 1450 type veth "
        "peer name eth0 address fa:16:3e:aa:00:14 mtu 1450 netns 42"
    )
    assert commands.namespace(42) == ["nsenter", "--net=/proc/42/ns/net", "--"]
    assert commands.configure(interface).splitlines() == [
        "link set lo up",
        "link set eth0 up",
        "addr replace 192.0.2.7/24 dev eth0",
        "addr replace 2001:db8::7/64 dev eth0 nodad",
        "route replace 0.0.0.0/0 via 192.0.2.1 dev eth0 onlink",
        "route replace 198.51.100.0/24 via 192.0.2.3 dev eth0 onlink",
        "-6 route replace ::/0 via 2001:db8::1 dev eth0 onlink",
    ]


@pytest.mark.parametrize("address", ["192.0.2.7; reboot", "192.0.2.7\nlink del eth0", "x"])
def test_address_is_never_a_command(address: str) -> None:
    with pytest.raises(ValueError, match="does not appear"):
        commands.configure(commands.Interface("tap", "eth0", "mac", addresses=(address,)))


@pytest.mark.parametrize(
    ("used", "free"),
    [([], "eth0"), (["lo", "eth0"], "eth1"), (["eth1", "lo"], "eth0"), (["eth0", "eth1"], "eth2")],
)
def test_first_free_name(used: list[str], free: str) -> None:
    assert commands.free_name(used) == free


def test_unsupported_operations_have_a_reason() -> None:
    for name, reason in UNSUPPORTED.items():
        with pytest.raises(NotImplementedError) as caught:
            getattr(UnsupportedMixin(), name)("any", argument=1)
        assert str(caught.value) == reason


def test_options_have_defaults_and_only_local_sockets() -> None:
    options = cfg.ConfigOpts()
    conf.register_options(options)
    options([])
    assert options.docker.url == "unix:///var/run/docker.sock"
    assert not options.docker.privileged
    with pytest.raises(ValueError, match="match"):
        options.set_override("url", "tcp://192.0.2.1:2375", "docker")


def test_modules_below_the_driver_need_no_nova() -> None:
    modules = "archive cgroups commands conf containers engine errors events files images inventory"
    script = "import sys; sys.modules['nova'] = None\n"
    for name in [*modules.split(), "limits", "ports", "snapshots", "unsupported"]:
        script += f"import novadrivers.docker.{name}\n"
    subprocess.run([sys.executable, "-c", script], check=True)
