# SPDX-License-Identifier: Apache-2.0
"""setup-neutron against the Neutron of a real undercloud, with networks of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest

from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

NAMES = ("functional-flat", "functional-vlan")
# An id and networks that no example uses; a second flat network needs a wire of its own.
VLAN: dict[str, Any] = {
    "name": "functional-vlan",
    "type": "vlan",
    "physical_network": "ctlplane",
    "segmentation_id": 3999,
    "cidr": "172.31.99.0/24",
    "gateway": "172.31.99.1",
    "allocation_pools": [{"start": "172.31.99.10", "end": "172.31.99.20"}],
    "routes": [{"destination": "172.31.98.0/24", "nexthop": "172.31.99.2"}],
    "dns": ["172.31.99.3"],
    "dhcp": True,
}
FLAT: dict[str, Any] = {
    "name": "functional-flat",
    "type": "flat",
    "physical_network": "functional",
    "cidr": "172.31.97.0/24",
    "dhcp": False,
}


@pytest.fixture(scope="module")
def neutron(undercloud: Workspace) -> Iterator[Any]:
    with openstack.connect(cloud=os.environ.get("OS_CLOUD", "undercloud")) as connection:
        yield connection.network


@pytest.fixture(autouse=True)
def _clean(neutron: Any) -> Iterator[None]:
    remove(neutron)
    yield
    remove(neutron)


def remove(neutron: Any) -> None:
    for name in NAMES:
        for network in neutron.networks(name=name):
            for port in neutron.ports(network_id=network.id, device_owner=""):
                neutron.delete_port(port)
            neutron.delete_network(network)


def setup(tmp_path: Path, *networks: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "networks.json"
    path.write_text(json.dumps({"networks": networks}))
    return subprocess.run(
        [sys.executable, "-m", "setupcloud.networks", "-n", path],
        env={"OS_CLOUD": "undercloud", **os.environ},
        capture_output=True,
        text=True,
        check=False,
    )


def said(tmp_path: Path, *networks: dict[str, Any]) -> list[str]:
    result = setup(tmp_path, *networks)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def test_create_update_and_leave_alone(neutron: Any, tmp_path: Path) -> None:
    assert said(tmp_path, FLAT, VLAN) == ["created functional-flat", "created functional-vlan"]
    assert said(tmp_path, FLAT, VLAN) == ["unchanged functional-flat", "unchanged functional-vlan"]

    network = neutron.find_network("functional-vlan", ignore_missing=False)
    assert network.provider_network_type == "vlan"
    assert network.provider_physical_network == "ctlplane"
    assert network.provider_segmentation_id == 3999
    assert network.is_port_security_enabled is False
    (subnet,) = neutron.subnets(network_id=network.id)
    assert subnet.gateway_ip == "172.31.99.1"
    assert subnet.allocation_pools == VLAN["allocation_pools"]
    assert subnet.host_routes == VLAN["routes"]
    assert subnet.dns_nameservers == ["172.31.99.3"]
    assert subnet.is_dhcp_enabled

    flat = neutron.find_network("functional-flat", ignore_missing=False)
    assert (flat.provider_network_type, flat.provider_segmentation_id) == ("flat", None)
    (flat_subnet,) = neutron.subnets(network_id=flat.id)
    assert (flat_subnet.gateway_ip, flat_subnet.is_dhcp_enabled) == (None, False)

    changed = VLAN | {
        "allocation_pools": [{"start": "172.31.99.30", "end": "172.31.99.40"}],
        "routes": [],
        "dns": ["172.31.99.4", "172.31.99.3"],
        "mtu": 1300,
    }
    del changed["gateway"]
    assert said(tmp_path, changed) == ["updated functional-vlan"]
    assert said(tmp_path, changed) == ["unchanged functional-vlan"]
    subnet = neutron.get_subnet(subnet.id)
    assert subnet.gateway_ip is None
    assert subnet.allocation_pools == changed["allocation_pools"]
    assert neutron.get_network(network.id).mtu == 1300


def test_ports_get_addresses_of_the_pool(neutron: Any, tmp_path: Path) -> None:
    said(tmp_path, VLAN)
    network = neutron.find_network("functional-vlan", ignore_missing=False)
    port = neutron.create_port(network_id=network.id, name="functional-port")
    address = port.fixed_ips[0]["ip_address"]
    assert int(address.split(".")[-1]) in range(10, 21)
    assert port.is_port_security_enabled is False


def test_what_cannot_be_changed_is_an_error_and_changes_nothing(
    neutron: Any, tmp_path: Path
) -> None:
    said(tmp_path, VLAN)
    result = setup(tmp_path, VLAN | {"segmentation_id": 3998, "dns": []})
    assert result.returncode == 1
    assert "its segmentation id is 3999, wanted is 3998" in result.stderr
    assert "hint: delete the network" in result.stderr
    network = neutron.find_network("functional-vlan", ignore_missing=False)
    (subnet,) = neutron.subnets(network_id=network.id)
    assert subnet.dns_nameservers == ["172.31.99.3"]


def test_a_vlan_id_in_use_is_refused_in_words(neutron: Any, tmp_path: Path) -> None:
    said(tmp_path, VLAN)
    other = VLAN | {"name": "functional-flat", "cidr": "172.31.96.0/24"}
    other = {
        key: other[key] for key in ("name", "type", "physical_network", "segmentation_id", "cidr")
    }
    result = setup(tmp_path, other)
    assert result.returncode == 1
    assert "error: Neutron answers" in result.stderr
    assert "3999" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_network_whose_subnet_is_refused_is_undone(neutron: Any, tmp_path: Path) -> None:
    # More than max_dns_nameservers, 5 by default.
    servers = [f"172.31.99.{number}" for number in range(2, 9)]
    result = setup(tmp_path, VLAN | {"dns": servers}, FLAT)
    assert result.returncode == 1
    assert "error: Neutron answers" in result.stderr
    assert "functional-vlan is not set up" in result.stderr
    assert neutron.find_network("functional-vlan") is None
    # One that fails stops no other.
    assert result.stdout.splitlines() == ["created functional-flat"]
    said(tmp_path, VLAN)
    result = setup(tmp_path, VLAN | {"dns": servers, "mtu": 1300})
    assert result.returncode == 1
    network = neutron.find_network("functional-vlan", ignore_missing=False)
    assert network.mtu != 1300


def test_wrong_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, neutron: Any) -> None:
    monkeypatch.setenv("OS_CLOUD", "undercloud")
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    auth_url = neutron.session.auth.auth_url
    auth = {"auth_url": auth_url, "username": "admin", "password": "wrong", "project_name": "admin"}
    auth |= {"user_domain_name": "Default", "project_domain_name": "Default"}
    (tmp_path / "clouds.yaml").write_text(json.dumps({"clouds": {"undercloud": {"auth": auth}}}))
    result = setup(tmp_path, VLAN)
    assert result.returncode == 1
    assert "error: OpenStack refuses the credentials" in result.stderr
