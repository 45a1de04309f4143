# SPDX-License-Identifier: Apache-2.0
"""Metadata in the old layout, the current one or both, and the processes that they describe."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from novadrivers import processes

OLD = processes.OLD_STATE_PATH
NODE = {"instance": {"name": "undercloud"}}
# The undercloud's metadata in tripleo-heat-templates of 2014 (undercloud-vm-ironic-config.yaml).
IRONIC_2014: dict[str, Any] = {
    "nova": {
        "compute_hostname": "undercloud",
        "compute_driver": "nova.virt.ironic.driver.IronicDriver",
        "compute_manager": "ironic.nova.compute.manager.ClusteredComputeManager",
        "scheduler_host_manager": "nova.scheduler.ironic_host_manager.IronicHostManager",
        "db": "mysql://nova:unset@127.0.0.1/nova",
        "host": "127.0.0.1",
        "tuning": {"ram_allocation_ratio": 1.0, "reserved_host_memory_mb": 0},
        "service-password": "unset",
    },
    "ironic": {"db": "mysql://ironic:unset@127.0.0.1/ironic", "service-password": "unset"},
}
# … and undercloud-vm-nova-config.yaml, and a compute node's of overcloud-source.yaml.
BAREMETAL_2014 = {
    "nova": {
        "compute_hostname": "undercloud",
        "compute_driver": "nova.virt.baremetal.driver.BareMetalDriver",
        "baremetal": {"arch": "amd64", "db": "mysql://nova_bm@127.0.0.1/nova_bm"},
        "host": "127.0.0.1",
    }
}
COMPUTE_2014 = {
    "nova": {
        "compute_driver": "libvirt.LibvirtDriver",
        "compute_libvirt_type": "qemu",
        "host": "192.0.2.3",
    }
}

Row = tuple[str, str, str, str]


def described(metadata: dict[str, Any]) -> list[Row]:
    return [(p.type, p.host, p.state_path, p.lock_path) for p in processes.processes(metadata)]


def nova(**leaves: Any) -> dict[str, Any]:
    return {**NODE, "nova": {"host": "192.168.24.1", "service-password": "x", **leaves}}


def old(type_: str, host: str = "undercloud", path: str = OLD) -> Row:
    return (type_, host, path, f"{path}/lock")


def new(type_: str, host: str = "", path: str = "") -> Row:
    path = path or f"/var/lib/nova-{type_}"
    return (type_, host or f"undercloud-{type_}", path, f"{path}/lock")


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(nova(), [], id="an API alone"),
        pytest.param(nova() | {"ironic": {"db": "x"}}, [], id="an API and Ironic"),
        pytest.param(nova() | {"nova-api": {"workers": 2}}, [], id="another namespace"),
        # Old layout.
        pytest.param(IRONIC_2014, [old("ironic")], id="undercloud with ironic, 2014"),
        pytest.param(BAREMETAL_2014, [old("ironic")], id="undercloud with baremetal, 2014"),
        pytest.param(NODE | COMPUTE_2014, [old("kvm")], id="compute node, 2014"),
        pytest.param(nova(compute_libvirt_type="lxc"), [old("lxc")], id="libvirt type alone"),
        pytest.param(nova(compute_driver="libvirt.LibvirtDriver"), [old("kvm")], id="libvirt"),
        pytest.param(
            nova(compute_driver="nova.virt.libvirt.LibvirtDriver", compute_libvirt_type="lxc"),
            [old("lxc")],
            id="libvirt with lxc",
        ),
        pytest.param(
            nova(compute_driver="novadocker.virt.docker.DockerDriver"), [old("docker")], id="docker"
        ),
        pytest.param(nova(compute_driver="fake.FakeDriver"), [old("fake")], id="fake"),
        pytest.param(nova(baremetal={"arch": "amd64"}), [old("ironic")], id="baremetal keys alone"),
        pytest.param(
            nova(compute_hostname="bm") | {"ironic": {"db": "x"}},
            [old("ironic", "bm")],
            id="ironic keys and a host name",
        ),
        pytest.param(
            nova(compute_driver="libvirt.LibvirtDriver", state_path="/mnt/nova"),
            [old("kvm", path="/mnt/nova")],
            id="old state path that was given",
        ),
        # New layout.
        pytest.param(NODE | {"nova-lxc": {}}, [new("lxc")], id="defaults"),
        pytest.param(
            NODE | {f"nova-{type_}": {} for type_ in reversed(processes.TYPES)},
            [new(type_) for type_ in processes.TYPES],
            id="all types",
        ),
        pytest.param(
            nova() | {"nova-ironic": {}, "ironic": {"db": "x"}}, [new("ironic")], id="ironic"
        ),
        pytest.param(
            {"nova-kvm": {"compute_hostname": "a", "state_path": "/srv/kvm/"}},
            [new("kvm", "a", "/srv/kvm")],
            id="nothing but names",
        ),
        pytest.param(
            NODE | {"nova-kvm": {"compute_hostname": None, "lock_path": "/run/kvm"}},
            [("kvm", "undercloud-kvm", "/var/lib/nova-kvm", "/run/kvm")],
            id="null counts as absent",
        ),
        # Both.
        pytest.param(
            IRONIC_2014 | NODE | {"nova-docker": {}, "nova-lxc": {"compute_hostname": "c"}},
            [new("lxc", "c"), new("docker"), old("ironic")],
            id="old process and new ones beside it",
        ),
        pytest.param(
            IRONIC_2014 | NODE | {"nova-ironic": {}}, [old("ironic")], id="the same process twice"
        ),
        pytest.param(
            IRONIC_2014 | NODE | {"nova-ironic": {"compute_hostname": "metal"}},
            [old("ironic", "metal")],
            id="new host name, old state path",
        ),
        pytest.param(
            IRONIC_2014 | NODE | {"nova-ironic": {"state_path": "/var/lib/nova-ironic"}},
            [old("ironic", path="/var/lib/nova-ironic")],
            id="old host name, new state path",
        ),
        pytest.param(
            NODE | COMPUTE_2014 | {"nova-lxc": {}},
            [old("kvm"), new("lxc")],
            id="two libvirt types, one of them old",
        ),
    ],
)
def test_processes(metadata: dict[str, Any], expected: list[Row]) -> None:
    assert described(metadata) == expected


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            NODE | {"nova-kvm": {"compute_hostname": "n"}, "nova-lxc": {"compute_hostname": "n"}},
            "nova-kvm (in nova-kvm) and nova-lxc (in nova-lxc) have the same host, n",
        ),
        (
            NODE | {"nova-kvm": {"state_path": "/s"}, "nova-docker": {"state_path": "/s/"}},
            "nova-kvm (in nova-kvm) and nova-docker (in nova-docker) have the same state path, /s",
        ),
        (
            NODE | {"nova-kvm": {"lock_path": "/l"}, "nova-docker": {"lock_path": "//l"[1:]}},
            "nova-kvm (in nova-kvm) and nova-docker (in nova-docker) have the same lock path, /l",
        ),
        (
            IRONIC_2014 | {"nova-docker": {"compute_hostname": "undercloud"}},
            "nova-docker (in nova-docker) and nova-ironic (in nova) have the same host, undercloud",
        ),
        (
            IRONIC_2014 | NODE | {"nova-ironic": {}, "nova-fake": {"state_path": OLD}},
            "nova-ironic (in nova-ironic and nova) and nova-fake (in nova-fake) have the same "
            f"state path, {OLD}",
        ),
        (
            NODE | {f"nova-{one}": {"state_path": "/s"} for one in ("kvm", "lxc", "fake")},
            "the same state path, /s\nnova-kvm (in nova-kvm) and nova-fake",
        ),
    ],
)
def test_a_clash_names_both(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(processes.MetadataError) as error:
        processes.processes(metadata)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (nova(compute_driver="vmwareapi.VMwareVCDriver"), "compute_driver: vmwareapi.VMwareVCDr"),
        (nova(compute_libvirt_type="xen"), "compute_libvirt_type: xen is none of kvm, lxc, qemu"),
        ({"nova-lxc": {}}, "nova-lxc has no compute_hostname, and there is no instance.name"),
        ({"nova-lxc": "on"}, "nova-lxc is str, not a mapping"),
        ({"nova": []}, "nova is list, not a mapping"),
        ({"nova-lxc": {"compute_hostname": 5}}, "nova-lxc.compute_hostname: 5 is not a string"),
        (NODE | {"nova-lxc": {"lock_path": 5}}, "nova-lxc.lock_path: 5 is not a string"),
        (
            NODE | {"nova-lxc": {"tuning": {"reserved_host_cpus": "1"}}},
            "nova-lxc.tuning.reserved_host_cpus: '1' is not a whole number",
        ),
    ],
)
def test_what_cannot_be_understood(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(processes.MetadataError) as error:
        processes.processes(metadata)
    assert message in str(error.value)


KVM: dict[str, Any] = {
    "compute_driver": "kvm.KvmDriver",
    "compute_libvirt_type": "kvm",
    "state_path": "/var/lib/nova-kvm",
    "tuning": {"ram_allocation_ratio": 1.5, "reserved_host_memory_mb": 512},
}
DOCKER = {"compute_driver": "docker.DockerDriver", "tuning": {"ram_allocation_ratio": 4.0}}
DEFAULTS = {"kvm": {"nova-kvm": KVM}, "docker": {"nova-docker": DOCKER}}


def test_each_key_of_the_new_layout_wins() -> None:
    metadata = {
        **NODE,
        "nova": {
            **COMPUTE_2014["nova"],
            "compute_hostname": "compute-7",
            "tuning": {"ram_allocation_ratio": 1.0, "reserved_host_memory_mb": 64},
        },
        "nova-kvm": {"tuning": {"ram_allocation_ratio": 3.0}, "cpu_mode": "none"},
        "nova-docker": {},
    }
    result = processes.resolved(metadata, ["kvm", "docker"], DEFAULTS)
    assert result["nova-kvm"] == {
        # The driver's old name is nobody's any more.
        "compute_driver": "kvm.KvmDriver",
        "compute_hostname": "compute-7",
        "compute_libvirt_type": "qemu",
        "agent_host": "undercloud",
        "state_path": OLD,
        "lock_path": f"{OLD}/lock",
        "cpu_mode": "none",
        "tuning": {"ram_allocation_ratio": 3.0, "reserved_host_memory_mb": 64},
    }
    # Nothing of ``nova:`` is another process's.
    assert result["nova-docker"] == {
        "compute_driver": "docker.DockerDriver",
        "compute_hostname": "undercloud-docker",
        "agent_host": "undercloud",
        "state_path": "/var/lib/nova-docker",
        "lock_path": "/var/lib/nova-docker/lock",
        "tuning": {"ram_allocation_ratio": 4.0},
    }
    assert {key: result[key] for key in NODE | {"nova": 0}} == NODE | {"nova": metadata["nova"]}


def test_a_type_that_the_image_lacks_has_no_process() -> None:
    metadata = IRONIC_2014 | NODE | {"nova-lxc": {}}
    assert [one.type for one in processes.processes(metadata, ["lxc", "kvm"])] == ["lxc"]
    assert processes.resolved(IRONIC_2014, []) == IRONIC_2014


def test_the_input_stays_as_it_is() -> None:
    metadata = NODE | {"nova-kvm": {"tuning": {"a": 1}}}
    processes.resolved(metadata, ["kvm"], DEFAULTS)["nova-kvm"]["tuning"]["a"] = 2
    assert metadata["nova-kvm"] == {"tuning": {"a": 1}}
    assert "a" not in KVM["tuning"]


@pytest.mark.parametrize(
    ("described", "capacity", "shares"),
    [
        # A type alone has all but what the services keep.
        ("lxc", (8000, 2), {"lxc": (7488, 2)}),
        ("kvm lxc docker", (8000, 2), {"kvm": (2496, 1), "lxc": (2496, 1), "docker": (2496, 1)}),
        ("kvm lxc", (8000, 8), {"kvm": (3744, 4), "lxc": (3744, 4)}),
        ("kvm lxc docker", (24000, 8), dict.fromkeys(("kvm", "lxc", "docker"), (7829, 2))),
        # What has no part in the node takes none.
        ("lxc ironic fake", (8000, 2), {"lxc": (7488, 2), "ironic": None, "fake": None}),
        ("ironic", (8000, 2), {"ironic": None}),
        # Less than what there is to share.
        ("kvm lxc", (400, 1), {"kvm": (0, 1), "lxc": (0, 1)}),
    ],
)
def test_a_node_is_shared_out(
    described: str, capacity: tuple[int, int], shares: dict[str, tuple[int, int] | None]
) -> None:
    node = processes.Capacity(*capacity)
    metadata = NODE | {f"nova-{type_}": {} for type_ in described.split()}
    found = processes.processes(metadata, capacity=node)
    assert {one.type: share(one, node) for one in found} == shares
    said = {one.type: one.share(node) for one in found}
    assert said == {
        type_: f", {each[0]} of {node.memory_mb} MiB, {each[1]} of {node.cpus} CPUs" if each else ""
        for type_, each in shares.items()
    }


def share(process: processes.Process, node: processes.Capacity) -> tuple[int, int] | None:
    """Return the MiB and CPUs that are not reserved, or None if the settings do not have them."""
    tuning = process.settings.get("tuning")
    if tuning is None:
        return None
    memory, cpus = tuning["reserved_host_memory_mb"], tuning["reserved_host_cpus"]
    return node.memory_mb - memory, node.cpus - cpus


@pytest.mark.parametrize(
    ("metadata", "tuning"),
    [
        (
            NODE | {"nova-lxc": {"tuning": {"reserved_host_memory_mb": 100}}, "nova-kvm": {}},
            {"reserved_host_memory_mb": 100, "reserved_host_cpus": 2},
        ),
        (
            NODE | {"nova-lxc": {"tuning": {"reserved_host_cpus": 0}}},
            {"reserved_host_memory_mb": 512, "reserved_host_cpus": 0},
        ),
        (
            NODE | {"nova-lxc": {"tuning": {"reserved_host_cpus": None}}},
            {"reserved_host_memory_mb": 512, "reserved_host_cpus": 0},
        ),
        (
            nova(compute_libvirt_type="lxc", tuning={"reserved_host_memory_mb": 0}),
            {"reserved_host_memory_mb": 0, "reserved_host_cpus": 0},
        ),
    ],
)
def test_what_the_metadata_reserve_is_reserved(metadata: Any, tuning: Any) -> None:
    found = processes.processes(metadata, capacity=processes.Capacity(8000, 4))
    assert next(one for one in found if one.type == "lxc").settings["tuning"] == tuning


def test_without_a_node_nothing_is_shared_out() -> None:
    assert "tuning" not in processes.processes(NODE | {"nova-kvm": {}})[0].settings


def test_this_node_is_what_libvirt_says_of_it() -> None:
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    cpus = os.sysconf("SC_NPROCESSORS_ONLN")
    assert processes.this_node() == processes.Capacity(pages * size // 2**20, cpus)


IRONIC = {
    "nova": {"debug": False},
    "ironic": {"boot_mode": "bios", "debug": False},
    "nova-ironic": {"state_path": "/var/lib/nova-ironic"},
}


@pytest.mark.parametrize(
    ("more", "address"),
    [
        ({"local-ipv4": "192.0.2.1"}, "192.0.2.1"),
        (
            {"local-ipv4": "192.0.2.1", "nova": IRONIC_2014["nova"] | {"my_ip": "192.0.2.2"}},
            "192.0.2.2",
        ),
    ],
)
def test_other_namespaces_of_the_old_layout_are_completed(more: Any, address: str) -> None:
    metadata = IRONIC_2014 | {"ironic": IRONIC_2014["ironic"] | {"debug": True}} | more
    complete = processes.resolved(metadata, ["ironic"], {"ironic": IRONIC})
    assert complete["ironic"] == metadata["ironic"] | {
        "boot_mode": "bios",
        "provisioning_ip": address,
    }
    assert complete["nova"] == metadata["nova"] | {"debug": False, "my_ip": address}
    assert complete["nova-ironic"]["state_path"] == OLD


def test_the_standard_library_is_enough() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import novadrivers.processes;"
        "print([m for m in sys.modules if m.split('.')[0] in ('nova', 'oslo_config', 'docker')])"
    )
    top = Path(__file__).parents[3]
    command = [sys.executable, "-IS", "-c", code, str(top)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
