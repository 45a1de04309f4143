# SPDX-License-Identifier: Apache-2.0
"""The driver against the ComputeDriver of three Nova releases, by their recorded surface."""

import ast
import json
from pathlib import Path
from typing import Any

import pytest
import surface

from novadrivers.docker.unsupported import UNSUPPORTED

RECORDS = {path.stem: json.loads(path.read_text()) for path in surface.RECORDS.glob("*.json")}
OURS = {
    "docker/driver.py": "DockerDriver",
    "docker/host.py": "DockerHost",
    "shared/network_agent.py": "SharedAgentMixin",
    "ironic/driver.py": "IronicDriver",
    "libvirt/kvm.py": "KvmDriver",
}


def our_methods() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, cls in OURS.items():
        tree = ast.parse(Path(surface.PACKAGE, name).read_text())
        found |= surface.methods(surface.classes(tree)[cls])
    return {name: arguments for name, arguments in found.items() if not name.startswith("_")}


def plain(arguments: list[str]) -> list[str]:
    return [each.removesuffix("=") for each in arguments]


@pytest.fixture(params=sorted(RECORDS))
def release(request: pytest.FixtureRequest) -> Any:
    return RECORDS[request.param]


def test_three_releases_are_recorded() -> None:
    assert sorted(name.split(".")[0] for name in RECORDS) == ["26", "31", "34"]


def test_every_method_takes_what_nova_gives(release: Any) -> None:
    for name, ours in our_methods().items():
        theirs = release["methods"].get(name)
        if theirs is None:
            continue
        missing = set(plain(theirs)) - set(plain(ours))
        assert not missing, f"{name} lacks {missing}"
        assert [each for each in plain(ours) if each in plain(theirs)] == plain(theirs), name
        extra = [each for each in ours if each.removesuffix("=") not in plain(theirs)]
        assert all(each.endswith("=") for each in extra), f"{name} wants {extra}"
        optional = {each.removesuffix("=") for each in theirs if each.endswith("=")}
        assert not optional - {each.removesuffix("=") for each in ours if each.endswith("=")}, name


def test_every_public_method_is_one_of_novas() -> None:
    known = {name for record in RECORDS.values() for name in record["methods"]}
    changed = [one for record in RECORDS.values() for one in record["changed"].values()]
    assert set(our_methods()) <= known.union(*changed)
    assert set(UNSUPPORTED) <= known


def test_nothing_is_both_implemented_and_unsupported() -> None:
    assert not set(our_methods()) & set(UNSUPPORTED)


def test_every_release_has_what_the_driver_uses(release: Any) -> None:
    missing = set(surface.used_names()) - set(release["names"])
    assert not missing, "not in that release, or new: record the releases again with surface.py"


def test_what_is_changed_of_nova_is_as_it_was(release: Any) -> None:
    """network_agent.py and libvirt/driver.py pass on whatever follows these parameters."""
    changed = release["changed"]
    setup = changed["nova.network.neutron.API"]["setup_instance_network_on_host"]
    assert setup[:3] == ["context", "instance", "host"]
    init = changed["nova.virt.libvirt.driver.LibvirtDriver"]["__init__"]
    assert init == ["virtapi", "read_only="]
    libvirt = changed["nova.virt.libvirt.driver.LibvirtDriver"]
    # kvm.py and lxc.py add to what this returns.
    assert libvirt["_get_guest_config"][0] == "instance"
    # lxc.py does it instead.
    assert libvirt["_create_configdrive"][:3] == ["context", "instance", "injection_info"]
    assert libvirt["_build_device_metadata"] == ["context", "instance"]
    # lxc.py waits where it does not, and passes on the rest.
    create = libvirt["_create_guest_with_network"]
    assert create[:4] == ["context", "xml", "instance", "network_info"]
    assert {"power_on=", "vifs_already_plugged="} < set(create[5:])
    text = changed["nova.virt.libvirt.config.LibvirtConfigObject"]["_text_node"]
    assert text[:2] == ["node_name", "value"]
    ironic = changed["nova.virt.ironic.driver.IronicDriver"]
    assert ironic["__init__"] == init
    # ironic/driver.py changes what it returns: no parameters.
    assert ironic["ironic_connection"] == []
    vif = changed["nova.virt.libvirt.vif.LibvirtGenericVIFDriver"]
    assert vif["get_config"][:2] == vif["plug"] == ["instance", "vif"]
    assert vif["get_vif_devname"] == ["vif"]


def test_parameters_are_read_with_their_defaults() -> None:
    tree = ast.parse("class A:\n def m(self, a, b=1, *c, d, e=2, **f): pass")
    assert surface.methods(surface.classes(tree)["A"]) == {"m": ["a", "b=", "*c", "d", "e=", "**f"]}
