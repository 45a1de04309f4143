# SPDX-License-Identifier: Apache-2.0
import pytest

from altostratus.hypervisors import HYPERVISORS

LXC = {"hypervisor_type": "lxc", "hw_vm_mode": "exe"}
DOCKER = {"hypervisor_type": "docker", "hw_vm_mode": "exe"}


@pytest.mark.parametrize(
    ("name", "disk_format", "container_format", "properties"),
    [
        ("kvm", "qcow2", "bare", {"hypervisor_type": "kvm"}),
        ("lxc", "raw", "bare", LXC),
        ("docker", "raw", "docker", DOCKER),
        # What Nova's ironic driver advertises; "ironic" would match no host.
        ("ironic", "qcow2", "bare", {"hypervisor_type": "baremetal"}),
    ],
)
def test_rows(
    name: str, disk_format: str, container_format: str, properties: dict[str, str]
) -> None:
    row = HYPERVISORS[name]
    assert (row.disk_format, row.container_format) == (disk_format, container_format)
    assert row.properties == properties
    assert row.target_element == f"target-{name}"


def test_table_is_complete_and_read_only() -> None:
    assert list(HYPERVISORS) == ["kvm", "lxc", "docker", "ironic"]
    with pytest.raises(TypeError):
        HYPERVISORS["xen"] = HYPERVISORS["kvm"]  # type: ignore[index]
