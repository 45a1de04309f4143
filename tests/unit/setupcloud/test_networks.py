# SPDX-License-Identifier: Apache-2.0
"""What setup-neutron decides to do, against networks in memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import openstack.exceptions
import pytest

from altostratus.clients.errors import ServiceError
from altostratus.errors import AltostratusError
from setupcloud import networks, neutron

FLAT: dict[str, Any] = {
    "name": "ctlplane",
    "type": "flat",
    "physical_network": "ctlplane",
    "cidr": "192.168.24.0/24",
    "gateway": "192.168.24.1",
    "allocation_pools": [{"start": "192.168.24.100", "end": "192.168.24.250"}],
    "routes": [],
    "dns": [],
    "dhcp": True,
}
VLAN: dict[str, Any] = {
    "name": "internal",
    "type": "vlan",
    "physical_network": "ctlplane",
    "segmentation_id": 201,
    "cidr": "172.16.2.0/24",
    "mtu": 1400,
}


def pools(*ends: tuple[int, int]) -> dict[str, Any]:
    listed = [{"start": f"192.168.24.{one}", "end": f"192.168.24.{two}"} for one, two in ends]
    return FLAT | {"allocation_pools": listed}


class Cloud:
    """The part of the SDK's network proxy that is used, with Neutron's own defaults."""

    def __init__(self) -> None:
        self.all_networks: dict[str, SimpleNamespace] = {}
        self.all_subnets: dict[str, SimpleNamespace] = {}
        self.calls: list[str] = []
        self.failing: dict[str, BaseException] = {}
        """What calls that begin so raise."""

    def networks(self, name: str) -> Iterator[SimpleNamespace]:
        return iter([one for one in self.all_networks.values() if one.name == name])

    def subnets(self, network_id: str, ip_version: int) -> Iterator[SimpleNamespace]:
        found = [one for one in self.all_subnets.values() if one.network_id == network_id]
        return iter([one for one in found if one.ip_version == ip_version])

    def called(self, call: str) -> None:
        self.calls.append(call)
        for word, error in self.failing.items():
            if call.startswith(word):
                raise error

    def create_network(self, **attributes: Any) -> SimpleNamespace:
        self.called("create_network")
        defaults = {"provider_segmentation_id": None, "mtu": 1500}
        identity = f"n{len(self.all_networks)}"
        self.all_networks[identity] = SimpleNamespace(id=identity, **(defaults | attributes))
        return self.all_networks[identity]

    def create_subnet(self, **attributes: Any) -> SimpleNamespace:
        self.called("create_subnet")
        pools = [{"start": "first", "end": "last"}]
        # Neutron sorts routes by itself.
        attributes["host_routes"] = attributes["host_routes"][::-1]
        identity = f"s{len(self.all_subnets)}"
        values = {"id": identity, "allocation_pools": pools, **attributes}
        self.all_subnets[identity] = SimpleNamespace(**values)
        return self.all_subnets[identity]

    def update_network(self, identity: str, **attributes: Any) -> None:
        self.called(f"update_network {' '.join(attributes)}")
        vars(self.all_networks[identity]).update(attributes)

    def update_subnet(self, identity: str, **attributes: Any) -> None:
        self.called(f"update_subnet {' '.join(attributes)}")
        vars(self.all_subnets[identity]).update(attributes)

    def delete_network(self, identity: str) -> None:
        self.called(f"delete_network {identity}")
        del self.all_networks[identity]


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def setup(cloud: Cloud, *networks: dict[str, Any]) -> list[str]:
    """Bring the networks about; return what was said of each."""
    said = []
    for change in neutron.plan(cloud, networks):
        neutron.apply(cloud, change)
        said.append(f"{change.kind} {change.name}")
    return said


def test_networks_are_created(cloud: Cloud) -> None:
    assert setup(cloud, FLAT, VLAN) == ["created ctlplane", "created internal"]
    flat, vlan = cloud.all_networks.values()
    assert (flat.provider_network_type, flat.provider_physical_network) == ("flat", "ctlplane")
    assert (vlan.provider_network_type, vlan.provider_segmentation_id) == ("vlan", 201)
    assert (flat.is_port_security_enabled, vlan.mtu) == (False, 1400)
    first, second = cloud.all_subnets.values()
    assert (first.gateway_ip, second.gateway_ip) == ("192.168.24.1", None)
    assert (first.network_id, second.network_id) == (flat.id, vlan.id)


def test_a_second_run_changes_nothing(cloud: Cloud) -> None:
    routes = [
        {"destination": "10.1.0.0/16", "nexthop": "172.16.2.1"},
        {"destination": "10.0.0.0/16", "nexthop": "172.16.2.1"},
    ]
    networks = [FLAT, VLAN | {"routes": routes, "dns": ["9.9.9.9", "8.8.8.8"]}]
    setup(cloud, *networks)
    cloud.calls.clear()
    assert setup(cloud, *networks) == ["unchanged ctlplane", "unchanged internal"]
    assert cloud.calls == []


@pytest.mark.parametrize(
    ("change", "call"),
    [
        ({"gateway": "192.168.24.2"}, "update_subnet gateway_ip"),
        ({"dns": ["9.9.9.9"]}, "update_subnet dns_nameservers"),
        ({"dhcp": False}, "update_subnet is_dhcp_enabled"),
        ({"mtu": 1400}, "update_network mtu"),
        (
            {"allocation_pools": [{"start": "192.168.24.50", "end": "192.168.24.60"}]},
            "update_subnet allocation_pools",
        ),
        (
            {"routes": [{"destination": "10.0.0.0/8", "nexthop": "192.168.24.9"}]},
            "update_subnet host_routes",
        ),
    ],
)
def test_differences_are_updated(cloud: Cloud, change: dict[str, Any], call: str) -> None:
    setup(cloud, FLAT)
    cloud.calls.clear()
    assert setup(cloud, FLAT | change) == ["updated ctlplane"]
    assert cloud.calls == [call]
    assert setup(cloud, FLAT | change) == ["unchanged ctlplane"]


def test_a_removed_gateway_is_removed(cloud: Cloud) -> None:
    setup(cloud, FLAT)
    setup(cloud, {key: value for key, value in FLAT.items() if key != "gateway"})
    assert cloud.all_subnets["s0"].gateway_ip is None


def test_a_missing_subnet_is_made(cloud: Cloud) -> None:
    setup(cloud, FLAT)
    cloud.all_subnets.clear()
    cloud.calls.clear()
    assert setup(cloud, FLAT) == ["updated ctlplane"]
    assert cloud.calls == ["create_subnet"]


def test_port_security_is_switched_off(cloud: Cloud) -> None:
    setup(cloud, FLAT)
    cloud.all_networks["n0"].is_port_security_enabled = True
    assert setup(cloud, FLAT) == ["updated ctlplane"]
    assert cloud.calls[-1] == "update_network is_port_security_enabled"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segmentation_id": 202}, "network internal: its segmentation id is 201, wanted is 202"),
        ({"physical_network": "dc"}, "network internal: its physical network is ctlplane, wanted"),
        ({"type": "flat"}, "network internal: its type is vlan, wanted is flat"),
        ({"cidr": "172.16.3.0/24"}, "subnet of internal: its cidr is 172.16.2.0/24, wanted is"),
    ],
)
def test_what_neutron_cannot_change(cloud: Cloud, change: dict[str, Any], message: str) -> None:
    setup(cloud, FLAT, VLAN)
    cloud.calls.clear()
    with pytest.raises(AltostratusError, match=message) as error:
        setup(cloud, FLAT | {"dns": ["9.9.9.9"]}, VLAN | change)
    assert "delete the network" in str(error.value.hint)
    # Not even the networks that could have been changed.
    assert cloud.calls == []


def test_two_networks_of_one_name(cloud: Cloud) -> None:
    cloud.create_network(name="ctlplane")
    cloud.create_network(name="ctlplane")
    cloud.calls.clear()
    with pytest.raises(AltostratusError, match="there are 2 networks called ctlplane: n0, n1") as e:
        setup(cloud, FLAT, VLAN)
    assert "openstack network set --name OTHER ID" in str(e.value.hint)
    assert cloud.calls == []


def test_a_network_whose_name_differs_in_case_is_another(cloud: Cloud) -> None:
    there = cloud.create_network(name="CTLPLANE")
    # As MySQL compares.
    cloud.networks = lambda name: iter([there])  # type: ignore[method-assign]
    assert setup(cloud, FLAT) == ["created ctlplane"]


def test_one_of_several_subnets_is_meant(cloud: Cloud) -> None:
    setup(cloud, FLAT)
    other = {"ip_version": 4, "host_routes": [], "dns_nameservers": []}
    cloud.create_subnet(network_id="n0", name="b", cidr="10.0.0.0/24", **other)
    assert setup(cloud, FLAT) == ["unchanged ctlplane"]
    cloud.all_subnets["s0"].cidr = "10.0.1.0/24"
    # Its name says it.
    with pytest.raises(AltostratusError, match=r"its cidr is 10.0.1.0/24, wanted is 192.168.24"):
        setup(cloud, FLAT)
    cloud.all_subnets["s0"].name = "a"
    cloud.calls.clear()
    what = r"network ctlplane has 2 IPv4 subnets: s0 \(10.0.1.0/24\), s1 \(10.0.0.0/24\)"
    with pytest.raises(AltostratusError, match=what):
        setup(cloud, FLAT)
    assert cloud.calls == []


REFUSED = openstack.exceptions.BadRequestException("no", http_status=400)


@pytest.mark.parametrize("error", [REFUSED, KeyboardInterrupt()])
def test_a_half_made_network_is_undone(cloud: Cloud, error: BaseException) -> None:
    cloud.failing = {"create_subnet": error}
    with pytest.raises((ServiceError, KeyboardInterrupt)):
        setup(cloud, FLAT)
    assert cloud.calls == ["create_network", "create_subnet", "delete_network n0"]
    assert cloud.all_networks == {}


def test_what_is_left_of_a_network_is_named(cloud: Cloud) -> None:
    cloud.failing = {"create_subnet": REFUSED, "delete_network": RuntimeError("gone away")}
    left = r"no .HTTP 400.; moreover, the network ctlplane \(n0\) is there without its subnet"
    with pytest.raises(AltostratusError, match=left) as caught:
        setup(cloud, FLAT)
    assert "as undoing failed: gone away" in caught.value.message


def test_a_half_changed_network_is_undone(cloud: Cloud) -> None:
    setup(cloud, FLAT)
    cloud.calls.clear()
    cloud.failing = {"update_subnet": REFUSED}
    with pytest.raises(ServiceError):
        setup(cloud, FLAT | {"mtu": 1400, "dhcp": False})
    assert cloud.all_networks["n0"].mtu == 1500
    assert cloud.calls == [
        "update_network mtu",
        "update_subnet is_dhcp_enabled",
        "update_network mtu",
    ]


@pytest.fixture
def command(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    @contextmanager
    def connected(command: str, service: str) -> Iterator[SimpleNamespace]:
        assert (command, service) == ("setup-neutron", "Neutron")
        yield SimpleNamespace(network=cloud)

    monkeypatch.setattr(networks, "connected", connected)
    return cloud


def run(tmp_path: Path, content: Any, *options: str) -> int:
    path = tmp_path / "networks.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return networks.main(["-n", str(path), *options])


def test_command(command: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, {"networks": [FLAT, VLAN]}, "--dry-run") == 0
    assert command.calls == []
    assert run(tmp_path, {"networks": [FLAT, VLAN]}) == 0
    assert run(tmp_path, {"networks": [FLAT, VLAN | {"mtu": 1500}]}) == 0
    assert capsys.readouterr().out.splitlines() == [
        *["would create ctlplane", "would create internal"],
        *["created ctlplane", "created internal"],
        *["unchanged ctlplane", "updated internal"],
    ]


def test_a_dry_run_says_what_differs(
    command: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup(command, FLAT, VLAN)
    del command.all_subnets["s1"]
    command.calls.clear()
    changed = FLAT | {"dns": ["9.9.9.9"], "dhcp": False, "mtu": 1400}
    del changed["gateway"]
    assert run(tmp_path, {"networks": [changed, VLAN]}, "--dry-run") == 0
    assert command.calls == []
    assert capsys.readouterr().out.splitlines() == [
        "would update ctlplane: mtu: 1500 -> 1400, gateway: 192.168.24.1 -> none, "
        "dhcp: true -> false, dns: [] -> [9.9.9.9]",
        "would update internal: subnet: none -> 172.16.2.0/24",
    ]


def test_one_that_fails_stops_no_other(
    command: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setup(command, FLAT)
    command.failing = {"update_subnet": REFUSED}
    assert run(tmp_path, {"networks": [FLAT | {"dhcp": False}, VLAN]}, "--json") == 1
    said = capsys.readouterr()
    assert json.loads(said.out) == {
        "version": 1,
        "kind": "networks",
        "dry_run": False,
        "networks": [
            {
                "name": "ctlplane",
                "action": "update",
                "done": False,
                "id": "n0",
                "differences": [{"field": "dhcp", "old": True, "new": False}],
                "error": "Neutron answers: no (HTTP 400)",
            },
            {"name": "internal", "action": "create", "done": True, "id": "n1", "differences": []},
        ],
    }
    assert said.err.startswith("error: Neutron answers: no (HTTP 400): ctlplane is not set up")


def test_the_form_of_os_cloud_config(
    command: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    theirs = {"float": {"cidr": "10.0.0.0/8", "name": "n"}, "external": {"name": "e"}}
    assert run(tmp_path, theirs) == 2
    said = capsys.readouterr().err
    assert "1 problem found" in said and "the form of os-cloud-config" in said
    assert '{"networks": [{"name": "ctlplane"' in said


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", ":1:2: not JSON"),
        ("{}", ":1:1: networks file: 'networks' is missing"),
        ({"networks": [VLAN | {"segmentation_id": 0}]}, ":1:103: segmentation_id: 0 is less"),
        ({"networks": [FLAT | {"gatway": "x"}]}, "unknown key 'gatway'"),
        ({"networks": [FLAT | {"segmentation_id": 5}]}, "a flat network has no segmentation_id"),
        ({"networks": [FLAT | {"type": "vlan"}]}, "a vlan network needs a segmentation_id"),
        ({"networks": [FLAT, VLAN, FLAT]}, "name: ctlplane is also in line 1"),
        ({"networks": [FLAT | {"cidr": "foo"}]}, "cidr: 'foo' is not an IPv4 network"),
        ({"networks": [FLAT | {"cidr": "10.0.0.1/8"}]}, "cidr: 10.0.0.1/8 is an address"),
        ({"networks": [FLAT | {"gateway": "x"}]}, "gateway: 'x' is not an IPv4 address"),
        ({"networks": [FLAT | {"dns": ["x"]}]}, "dns: 'x' is not an IPv4 address"),
        (
            {"networks": [VLAN | {"cidr": "10.99.9.1/32"}]},
            "cidr: 10.99.9.1/32 has no room for DHCP",
        ),
        ({"networks": [VLAN | {"cidr": "10.99.9.0/31"}]}, "take a /30 or a larger network"),
        ({"networks": [FLAT | {"cidr": "0.0.0.0/0"}]}, "0.0.0.0/0 is all addresses there are"),
        ({"networks": [VLAN | {"cidr": "224.0.0.0/24"}]}, "224.0.0.0/24 has multicast addresses"),
        ({"networks": [VLAN | {"cidr": "127.0.0.0/8"}]}, "127.0.0.0/8 has loopback addresses"),
        ({"networks": [FLAT | {"gateway": "192.168.24.255"}]}, "is not an address of hosts in"),
        ({"networks": [FLAT | {"gateway": "192.168.25.1"}]}, "from 192.168.24.1 to 192.168.24.254"),
        ({"networks": [FLAT | {"gateway": "192.168.24.100"}]}, "the gateway 192.168.24.100 is in"),
        ({"networks": [pools((9, 5))]}, "allocation_pools: 192.168.24.9 is after 192.168.24.5"),
        ({"networks": [pools((5, 9), (9, 10))]}, "192.168.24.9 to 192.168.24.10 overlaps"),
        ({"networks": [pools((0, 9))]}, "allocation_pools: 192.168.24.0 is not an address of"),
        ({"networks": [VLAN, VLAN | {"name": "x"}]}, "VLAN 201 of ctlplane is also in line 1"),
        ({"networks": [FLAT, FLAT | {"name": "x"}]}, "the flat network of ctlplane is also in"),
        ({"networks": [FLAT | {"name": "x" * 256}]}, "is not a name of at most 255 characters"),
        ({"networks": [VLAN | {"type": "vxlan"}]}, "type: 'vxlan' is unknown"),
        ({"networks": [VLAN | {"segmentation_id": "x"}]}, "segmentation_id: 'x' is not a whole"),
    ],
)
def test_bad_files(
    content: Any,
    problem: str,
    command: Cloud,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(tmp_path, content) == 2
    error = capsys.readouterr().err
    assert problem in error and "1 problem found" in error and "\n    hint: " in error
    assert command.calls == []


def test_no_file(tmp_path: Path) -> None:
    assert networks.main(["-n", str(tmp_path / "nowhere.json")]) == 2


def test_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(tmp_path / "clouds.yaml"))
    for name in ("OS_CLOUD", "OS_AUTH_TYPE", "OS_ENDPOINT", "OS_AUTH_URL"):
        monkeypatch.delenv(name, raising=False)
    assert run(tmp_path, {"networks": [FLAT]}) == 2
    error = capsys.readouterr().err
    assert "error: no credentials for OpenStack" in error and "hint: set OS_CLOUD" in error
    monkeypatch.setenv("OS_CLOUD", "nowhere")
    assert run(tmp_path, {"networks": [FLAT]}) == 2
    assert "error: Cloud nowhere was not found" in capsys.readouterr().err


def test_no_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OS_CLOUD", raising=False)
    for name, value in {
        **{"AUTH_URL": "http://127.0.0.1:9/v3", "USERNAME": "me", "PASSWORD": "x"},
        **{"PROJECT_NAME": "me", "USER_DOMAIN_NAME": "x", "PROJECT_DOMAIN_NAME": "x"},
    }.items():
        monkeypatch.setenv(f"OS_{name}", value)
    assert run(tmp_path, {"networks": [FLAT]}) == 1
    error = capsys.readouterr().err
    assert "error: Neutron is unreachable: " in error and "hint: is the cloud running?" in error
