# SPDX-License-Identifier: Apache-2.0
"""The interfaces of a bare-metal node from its metadata."""

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

from altostratus.datafiles import elements_path
from generator import cloudfile, contracts
from generator.output import literals
from generator.plan import metadata
from generator.plan.resolve import resolve

PROGRAM = elements_path() / "vlan-interfaces/static/usr/local/lib/altostratus/vlan-interfaces.py"
SCRIPT = runpy.run_path(str(PROGRAM))
PREFIX = "60-vlan-interfaces-"
LINKS = [
    {"ifname": "lo", "address": "00:00:00:00:00:00", "addr_info": []},
    {
        "ifname": "eth0",
        "address": "52:54:00:00:00:01",
        "addr_info": [
            {"family": "inet6", "local": "fe80::1"},
            {"family": "inet", "local": "192.168.24.7"},
        ],
    },
]
CLOUD = """
name: metal
hypervisors: [ironic]
networks:
  ctlplane: {cidr: 192.168.24.0/24, pool: [192.168.24.100, 192.168.24.200]}
  internal: {vlan: 201, cidr: 172.16.2.0/23, pool: [172.16.2.10, 172.16.2.50], mtu: 1400}
  storage:
    vlan: 202
    cidr: 172.16.4.0/24
    gateway: 172.16.4.1
    pool: [172.16.4.10, 172.16.4.50]
    dns: [172.16.4.2]
    routes: [{destination: 10.0.0.0/8, nexthop: 172.16.4.3}]
roles:
  cache:
    services: [memcached]
    addresses: {ctlplane: [192.168.24.7], internal: [172.16.3.7], storage: [172.16.4.7]}
"""


@pytest.fixture(scope="module")
def instance() -> Any:
    """The key ``instance`` of a node's metadata, as the generator makes it."""
    known = contracts.load(elements_path())
    plan = resolve(cloudfile.parse(CLOUD.encode(), "f", known), known)
    role = plan.cloud.roles["cache"]
    values = literals.LiteralValues(plan, role, 0, {})
    return metadata.tree(plan, role, values.value, values.own)["instance"]


def test_files(instance: Any) -> None:
    files = SCRIPT["units"](instance, SCRIPT["carriers"](instance, LINKS))
    header = "# Written by vlan-interfaces from the metadata.\n"
    assert {
        name.removeprefix(PREFIX): text.removeprefix(header) for name, text in files.items()
    } == {
        "vlan201.netdev": "[NetDev]\nName=vlan201\nKind=vlan\nMTUBytes=1400\n\n[VLAN]\nId=201\n",
        "vlan201.network": "[Match]\nName=vlan201\n\n[Network]\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\nAddress=172.16.3.7/23\n",
        "vlan202.netdev": "[NetDev]\nName=vlan202\nKind=vlan\n\n[VLAN]\nId=202\n",
        "vlan202.network": "[Match]\nName=vlan202\n\n[Network]\n"
        "LinkLocalAddressing=no\nIPv6AcceptRA=no\nAddress=172.16.4.7/24\nDNS=172.16.4.2\n"
        "\n[Route]\nDestination=10.0.0.0/8\nGateway=172.16.4.3\nMetric=200\n"
        "\n[Route]\nDestination=0.0.0.0/0\nGateway=172.16.4.1\nMetric=200\n",
        "ctlplane.network": "[Match]\nMACAddress=52:54:00:00:00:01\nType=ether\n\n[Network]\n"
        "DHCP=ipv4\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nVLAN=vlan201\nVLAN=vlan202\n"
        "\n[DHCPv4]\nClientIdentifier=mac\n"
        "RouteMetric=100\nUseDomains=no\nUseHostname=no\nUseMTU=yes\n",
    }


def test_the_carrier_is_as_the_first_interface_elsewhere(instance: Any) -> None:
    files = SCRIPT["units"](instance, SCRIPT["carriers"](instance, LINKS))
    base = elements_path() / "instance-base/instance/etc/systemd/network/70-first.network"
    elsewhere = {line for line in base.read_text().splitlines() if "=" in line}
    ours = set(files[f"{PREFIX}ctlplane.network"].splitlines())
    assert elsewhere - {"Name=eth0"} <= ours


def test_a_missing_carrier_is_named(instance: Any) -> None:
    with pytest.raises(SCRIPT["Failure"], match=r"has the address 192\.168\.24\.7 on ctlplane"):
        SCRIPT["carriers"](instance, LINKS[:1])


def test_files_are_written_once_and_removed(instance: Any, tmp_path: Path) -> None:
    (tmp_path / "70-first.network").write_text("")
    files = SCRIPT["units"](instance, SCRIPT["carriers"](instance, LINKS))
    assert SCRIPT["write"](tmp_path, files) == sorted(files)
    assert SCRIPT["write"](tmp_path, files) == []
    fewer = {**instance, "vlans": instance["vlans"][:1]}
    changed = SCRIPT["write"](tmp_path, SCRIPT["units"](fewer, SCRIPT["carriers"](fewer, LINKS)))
    names = [
        f"{PREFIX}{name}" for name in ("ctlplane.network", "vlan202.netdev", "vlan202.network")
    ]
    assert changed == names
    assert SCRIPT["write"](tmp_path, {})
    assert [path.name for path in tmp_path.iterdir()] == ["70-first.network"]


class Machine:
    """ip and networkctl of a machine: what is called, and what it leads to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, list[str]()
        self.links: list[dict[str, Any]] = json.loads(json.dumps(LINKS))

    def run(self, command: list[str], **_: Any) -> Any:
        self.calls.append(" ".join(command))
        if command[:3] == ["ip", "link", "delete"]:
            self.links = [one for one in self.links if one["ifname"] != command[3]]
        elif command == ["networkctl", "reload"]:
            for path in sorted(self.folder.glob("*vlan[0-9]*.network")):
                address = path.read_text().partition("Address=")[2].partition("/")[0]
                info = [{"family": "inet", "local": address}]
                self.links.append({"ifname": path.stem[len(PREFIX) :], "addr_info": info})
        return type("Done", (), {"stdout": json.dumps(self.links)})


def test_program(instance: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "metadata.json"
    units = tmp_path / "units"
    units.mkdir()
    machine = Machine(units)
    main = SCRIPT["main"]
    monkeypatch.setitem(main.__globals__, "UNITS", units)
    monkeypatch.setattr(main.__globals__["subprocess"], "run", machine.run)
    file.write_text(json.dumps({"instance": instance}))
    assert main([str(file)]) == 0
    assert [one["ifname"] for one in machine.links] == ["lo", "eth0", "vlan201", "vlan202"]
    machine.calls.clear()
    assert main([str(file)]) == 0
    assert set(machine.calls) == {"ip -json address"}
    file.write_text(json.dumps({"instance": {**instance, "vlans": []}}))
    assert main([str(file)]) == 0
    assert [one["ifname"] for one in machine.links] == ["lo", "eth0"]


def test_limits(
    instance: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "metadata.json"
    file.write_text(json.dumps({"instance": instance}))
    machine = Machine(tmp_path)
    machine.links = LINKS[:1]
    main = SCRIPT["main"]
    monkeypatch.setitem(main.__globals__, "TIMEOUT", 0)
    monkeypatch.setattr(main.__globals__["subprocess"], "run", machine.run)
    monkeypatch.setattr(main.__globals__["time"], "sleep", lambda _: None)
    assert main([str(file)]) == 1
    assert "error: timed out after 0 s waiting for the untagged network" in capsys.readouterr().err
