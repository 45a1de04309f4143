# SPDX-License-Identifier: Apache-2.0
"""What generate-stacks wrote is read back as the cloud file says it."""

from pathlib import Path

import pytest

from altostratus.datafiles import elements_path, examples_path
from altostratus.errors import AltostratusError
from generator import cloudfile, contracts, generate
from generator.output.generated import AUTH_URL, Generated

GOLDEN = Path(__file__).parents[2] / "golden"
FIXED = GOLDEN / "fixed-addresses"


def test_files_are_those_that_were_written(tmp_path: Path) -> None:
    written = set(generate.generate(examples_path() / "undercloud.yaml", tmp_path))
    found = Generated(tmp_path, "undercloud")
    assert written >= {
        found.template,
        found.environment,
        found.images,
        found.networks_file,
        found.flavors,
        found.secrets_file,
        found.metadata_file("undercloud"),
    }
    assert found.instances == ["undercloud"]
    assert found.metadata("undercloud")["keystone"]["host"] == "192.168.24.1"
    assert found.secrets["KeystoneAdminPassword"]


@pytest.mark.parametrize("file", sorted(examples_path().glob("*.yaml")), ids=lambda file: file.stem)
def test_the_output_says_what_the_cloud_file_says(file: Path) -> None:
    cloud = cloudfile.load(file, contracts.load(elements_path()))
    found = Generated(GOLDEN / "examples" / file.stem, cloud.name)
    assert list(found.roles) == list(cloud.roles)
    for name, role in cloud.roles.items():
        assert found.roles[name].hypervisor == role.hypervisor
        assert found.roles[name].elements == role.services
    assert found.services == cloud.services
    assert [(each.name, each.cidr) for each in found.networks] == [
        (each.name, each.cidr) for each in cloud.networks.values()
    ]
    assert found.counts({}) == {name: role.count for name, role in cloud.roles.items()}
    outputs = found.template.read_text()
    assert (f"  {AUTH_URL}:" in outputs) == ("keystone" in cloud.services)


def test_counts_follow_the_parameters_but_for_fixed_addresses() -> None:
    found = Generated(GOLDEN / "examples/overcloud", "overcloud")
    counts = found.counts({"KeystoneCount": "3", "GlanceCount": 2})
    assert counts == {"database": 1, "memcached": 1, "keystone": 3, "glance": 2}
    fixed = Generated(FIXED / "out", "fixed")
    assert fixed.counts({"ComputeCount": 9}) == {"database": 1, "keystone": 1, "compute": 2}


@pytest.mark.parametrize("content", ["{", "[]", '{"networks": {}}'])
def test_damaged_files_are_named(content: str, tmp_path: Path) -> None:
    found = Generated(tmp_path, "overcloud")
    with pytest.raises(AltostratusError, match=r"networks\.json is missing"):
        found.networks  # noqa: B018
    found.networks_file.write_text(content)
    with pytest.raises(AltostratusError, match=r"networks\.json is damaged"):
        found.networks  # noqa: B018
