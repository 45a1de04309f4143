# SPDX-License-Identifier: Apache-2.0
"""The table of hypervisor types, and what every type has besides its row (see CONTRIBUTING.md)."""

from pathlib import Path

import pytest
import yaml

from altostratus.hypervisors import HYPERVISORS

TOP = Path(__file__).parents[3]

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


@pytest.mark.parametrize("name", HYPERVISORS)
@pytest.mark.parametrize(
    "part",
    [
        "elements/target-{}/README.rst",
        "elements/nova-{}/service.yaml",
        "templates/server-{}.yaml",
        "docs/hypervisors/{}.md",
    ],
)
def test_every_type_has_its_files(part: str, name: str) -> None:
    assert (TOP / part.format(name)).is_file()


@pytest.mark.parametrize("name", HYPERVISORS)
def test_the_driver_of_every_type_is_below_nova_virt(name: str) -> None:
    contract = yaml.safe_load((TOP / f"elements/nova-{name}/service.yaml").read_text())
    driver = contract["keys"][f"nova-{name}.compute_driver"]["default"]
    module, _, class_ = driver.partition(".")
    assert f'"{class_}"' in (TOP / f"novadrivers/virt/{module}.py").read_text()


@pytest.mark.parametrize("name", HYPERVISORS)
def test_every_type_is_in_the_readme(name: str) -> None:
    assert f"| [{name}](docs/hypervisors/{name}.md) |" in (TOP / "README.md").read_text()
