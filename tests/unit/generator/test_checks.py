# SPDX-License-Identifier: Apache-2.0
"""The table of checks, and for each of them an input that it finds something in."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path, examples_path
from altostratus.yamlfile import addresses, document, jsonfile, schema
from altostratus.yamlfile.problems import InvalidInputError, Mark, Problem, Report, Severity
from generator import checks, cloudfile, contracts
from generator.contracts.model import Contracts
from generator.heat import limits
from generator.plan import check_plan
from generator.plan.resolve import resolve

AREAS = checks.areas()

FORM = {
    "type": "object",
    "required": ["number"],
    "additionalProperties": False,
    "properties": {
        "number": {"type": "integer", "minimum": 1},
        "word": {"enum": ["a", "b"]},
        "text": {"type": "string", "pattern": "^[a-z]$"},
        "list": {"type": "array", "maxItems": 2},
        "map": {"type": "object", "minProperties": 1},
        "cidr": addresses.CIDR,
    },
}

# E1000 is what other packages report by.
FILES = {
    "E1001": b"\xff",
    "E1002": b"a: [",
    "E1003": b"[" * 100,
    "E1004": b"- &a [" + b"1," * 999 + b"]\n- &b [" + b"*a," * 999 + b"]\n",
    "E1005": b"number: 1\n---\nnumber: 1\n",
    "E1006": b"number: !!int 1",
    "E1007": b"number: *a",
    "E1008": b"{[a]: 1, number: 1}",
    "E1009": b"{<<: {}, number: 1}",
    "E1010": b"{number: 1, number: 2}",
    "E1011": b'{"number": 1, "word": "\\ud800"}',
    "E1101": b"number: x",
    "E1102": b"{number: 1, other: 1}",
    "E1103": b"{}",
    "E1104": b"{number: 1, word: c}",
    "E1105": b"{number: 1, text: A}",
    "E1106": b"number: 0",
    "E1107": b"{number: 1, list: [1, 2, 3]}",
    "E1108": b"{number: 1, map: {}}",
    "E1109": b"{number: 1, list: [a, A]}",
    "E1110": b"{number: 1, cidr: 10.0.0.1/24}",
}

CLOUD = """\
name: test
hypervisors: [lxc]
networks:
  ctlplane: {cidr: 192.168.24.0/24, gateway: 192.168.24.1, pool: [192.168.24.10, 192.168.24.20]}
  internal: {vlan: 201, cidr: 172.16.2.0/24}
roles:
  database: {services: [mariadb, memcached]}
  api:
    services: [keystone, glance]
    networks: [ctlplane]
    count: 2
"""

# What to replace in CLOUD, and by what.
CLOUDS = {
    "E2101": ("vlan: 201", "type: vlan"),
    "E2102": ("vlan: 201", "vlan: 201, type: flat"),
    "E2103": ("172.16.2.0/24", "127.0.0.0/24"),
    "E2104": ("gateway: 192.168.24.1,", "gateway: 10.0.0.1,"),
    "E2105": ("192.168.24.20]", "10.0.0.1]"),
    "E2106": ("192.168.24.20]", "192.168.24.5]"),
    "E2107": ("gateway: 192.168.24.1,", "gateway: 192.168.24.11,"),
    "E2108": ("172.16.2.0/24", "192.168.24.128/25"),
    "E2109": ("vlan: 201, ", ""),
    "E2110": ("ctlplane: {", "ctlplane: {vlan: 201, "),
    "E2111": ("[ctlplane]", "[other]"),
    "E2112": ("  ctlplane: {", "  control: {"),
    "E2113": ("192.168.24.20]", "192.168.24.11]"),
    "E2201": ("[lxc]", "[lxc, lxc]"),
    "E2202": ("count: 2", "hypervisor: kvm"),
    "E2203": ("[ctlplane]", "[ctlplane, ctlplane]"),
    "E2204": ("[ctlplane]", "[internal]"),
    "E2205": ("[lxc]", "[ironic]\nservice_network: internal"),
    "E2206": ("  api:", "  d-1: {services: [memcached]}\n  d1: {services: [memcached]}\n  api:"),
    "E2207": (
        "count: 2",
        "count: 2\n  api-1: {services: [memcached], networks: [ctlplane], "
        "addresses: {ctlplane: [192.168.24.5]}}",
    ),
    "E2208": ("name: test", "name: secrets"),
    "E2209": ("  api:", "  glance-store:"),
    "E2301": ("count: 2", "addresses: {internal: [172.16.2.5]}"),
    "E2302": ("count: 2", "addresses: {ctlplane: [192.168.24.5, 192.168.24.6]}"),
    "E2303": ("count: 2", "count: 2\n    addresses: {ctlplane: [192.168.24.5, 192.168.24.5]}"),
    "E2304": ("count: 2", "addresses: {ctlplane: [10.0.0.1]}"),
    "E2305": ("count: 2", "addresses: {ctlplane: [192.168.24.15]}"),
    "E2306": (
        "count: 2",
        "addresses: {ctlplane: [192.168.24.5]}\n"
        "  cache: {services: [memcached], addresses: {ctlplane: [192.168.24.5]}}",
    ),
    "E2401": ("keystone,", "other,"),
    "E2402": ("keystone,", "compute-common,"),
    "E2403": ("keystone,", "keystone, keystone,"),
    "E2404": ("keystone,", "keystone, -mariadb,"),
    "E2405": ("[keystone, glance]", "[keystone, -keystone]"),
    "E2406": ("[mariadb, memcached]", "[memcached]"),
    "E2407": ("[mariadb, memcached]", "[mariadb, memcached], count: 2"),
    "E2408": ("count: 2", "config: {keystone: {other: 2}}"),
    "E2409": ("glance]", "glance, compute-lxc]"),
    "E2410": ("glance]", "glance, queue]"),
    "E2411": ("count: 2", "config: {glance: {service-password: ' x'}}"),
    "E2412": ("count: 2", 'config: {keystone: {region: "a\\nb"}}'),
    "E2501": ("name: test", "name: test\njoin: other.yaml"),
    "E2502": ("name: test", "name: test\njoin: chain.yaml"),
    "E2503": ("name: test", "name: joined\njoin: joined.yaml"),
    "E2504": ("name: test", "name: test\njoin: loose.yaml"),
    "E2505": ("vlan: 201", "vlan: 202"),
    "E2506": ("count: 2", "addresses: {ctlplane: [192.168.24.5]}"),
    "E2507": ("[mariadb, memcached]", "[memcached]"),
}
JOINED = CLOUD[: CLOUD.index("  api:")].replace("name: test", "name: joined")
FIXED = JOINED.replace(
    "memcached]",
    "memcached, keystone], networks: [ctlplane], addresses: {ctlplane: [192.168.24.5]}",
)

KEY = "keys: {{a.x: {{type: string, description: x, {}}}}}"
# The contract of a, after its name; b has none of its own keys.
CONTRACTS = {
    "E3001": "",
    "E3002": KEY.format("secret: true"),
    "E3003": KEY.format("value: '{secret}'"),
    "E3004": "needs: [c]",
    "E3005": "reads: [c.x]",
    "E3006": KEY.format("value: '{secret:c.x}'"),
    "E3007": "keys: {b.x: {type: string, description: x, default: y}}",
    "E3008": "keys: {b.x: {type: string, description: x, default: y},"
    " b.x.y: {type: string, description: x, default: y}}",
    "E3009": "contributes: {b.x: [1]}",
    "E3010": "secrets: {a.s: password}\n" + KEY.format("value: '{secret:a.s}'"),
    "E3011": "keys: {a.x: {type: string, description: x, default: y, pattern: '('}}",
    "E3012": "",
}
PLANS = {
    "E4001": KEY.format("value: '{address:b}'"),
    "E4002": KEY.format("value: '{self:storage.address}'"),
}
NOVA = {
    "E4003": "config: {nova-lxc: {state_path: /x}, nova-kvm: {state_path: /x}}",
    "E4004": "config: {nova-lxc: {compute_hostname: n}}",
}
SECRETS = {"E4005": ("x", "y")}


def ids(problems: Iterable[Problem]) -> set[str]:
    return {problem.check.id for problem in problems}


def of_file(content: bytes) -> set[str]:
    report = Report()
    try:
        # Of these only one is JSON.
        parse = jsonfile.parse if content.startswith(b'{"') else document.parse
        node = parse(content, "f", report)
    except InvalidInputError as error:
        return ids(error.problems)
    schema.check(node, FORM, report)
    if listed := node.get("list"):
        schema.check_unique(listed.items, "list", report)
    if cidr := node.get("cidr"):
        addresses.network(cidr, report)
    return ids(report.problems)


def of_cloud(text: str, folder: Path, known: Contracts) -> set[str]:
    with pytest.raises(InvalidInputError) as error:
        cloudfile.parse(text.encode(), str(folder / "cloud.yaml"), known)
    return ids(error.value.problems)


def write_contracts(text: str, folder: Path) -> None:
    other = "keys: {b.x: {type: string, description: x, default: y}}"
    for name, more in (("a", text), ("b", other)):
        (folder / name).mkdir()
        content = f"service: {name}\nsummary: x\n{more}\n"
        (folder / name / "service.yaml").write_text(content)


def of_plan(text: str, known: Contracts) -> set[str]:
    with pytest.raises(InvalidInputError) as error:
        check_plan.check(resolve(cloudfile.parse(text.encode(), "f", known), known))
    return ids(error.value.problems)


def test_ids_and_names_are_unique() -> None:
    everything = [one for area in AREAS.values() for one in area]
    assert len({one.id for one in everything}) == len(everything)
    for area in AREAS.values():
        assert len({one.name for one in area}) == len(area)


@pytest.mark.parametrize(("number", "area"), list(enumerate(AREAS, 1)))
def test_ids_are_of_their_area_and_in_order(number: int, area: str) -> None:
    found = [one.id for one in AREAS[area]]
    assert found and found == sorted(found)
    letters = {Severity.ERROR: "E", Severity.WARNING: "W"}
    for one in AREAS[area]:
        assert one.id[1] == str(number) and one.id[1:].isdecimal() and len(one.id) == 5
        assert one.id[0] == letters[one.severity]
        assert one.description and not one.description.endswith(".")


def test_every_check_has_an_input_here() -> None:
    examples = [*FILES, *CLOUDS, *CONTRACTS, *PLANS, *NOVA, *SECRETS, "W5001", "W5002"]
    # test_check_elements.py has an input for each check of elements.
    areas = [area for name, area in AREAS.items() if name != "elements"]
    assert ["E1000", *examples] == [one.id for area in areas for one in area]


@pytest.mark.parametrize("check", FILES)
def test_files(check: str) -> None:
    assert check in of_file(FILES[check])


@pytest.mark.parametrize("check", CLOUDS)
def test_cloud_files(check: str, tmp_path: Path, services: Contracts) -> None:
    (tmp_path / "joined.yaml").write_text(FIXED)
    (tmp_path / "loose.yaml").write_text(JOINED)
    (tmp_path / "chain.yaml").write_text(f"join: joined.yaml\n{JOINED}")
    text = CLOUD
    if check in ("E2505", "E2506", "E2507"):
        text = text.replace("name: test", "name: test\njoin: joined.yaml")
    old, new = CLOUDS[check]
    if check == "E2205":
        text = text.replace("vlan: 201", "vlan: 201, physical_network: other")
    assert old in text
    assert check in of_cloud(text.replace(old, new), tmp_path, services)


@pytest.mark.parametrize("check", CONTRACTS)
def test_contracts(check: str, tmp_path: Path) -> None:
    write_contracts(CONTRACTS[check], tmp_path)
    if check in ("E3001", "E3012"):
        (tmp_path / "a").rename(tmp_path / ("c" if check == "E3001" else "control"))
    with pytest.raises(InvalidInputError) as error:
        contracts.load(tmp_path)
    assert check in ids(error.value.problems)


@pytest.mark.parametrize("check", PLANS)
def test_plans(check: str, tmp_path: Path) -> None:
    write_contracts(PLANS[check], tmp_path)
    head = CLOUD[: CLOUD.index("roles:")]
    text = f"{head}roles: {{one: {{services: [a]}}}}\n"
    assert of_plan(text, contracts.load(tmp_path)) == {check}


@pytest.mark.parametrize("check", SECRETS)
def test_secrets_of_roles(check: str, tmp_path: Path) -> None:
    key = KEY.format("value: '{secret:a.s}', secret: true")
    write_contracts(f"secrets: {{a.s: password}}\n{key}", tmp_path)
    roles = [
        f"r{value}: {{services: [a], config: {{a: {{x: {value}}}}}}}" for value in SECRETS[check]
    ]
    text = f"{CLOUD[: CLOUD.index('roles:')]}roles: {{{', '.join(roles)}}}\n"
    assert of_plan(text, contracts.load(tmp_path)) == {check}


@pytest.mark.parametrize("check", NOVA)
def test_nova_compute(check: str) -> None:
    join, networks = f"join: {examples_path()}/undercloud.yaml", "networks: {ctlplane: {cidr:"
    head = f"name: n\n{join}\nhypervisors: [lxc]\n{networks} 192.168.24.0/24}}}}\n"
    services = "[nova-lxc, nova-kvm, neutron-openvswitch-agent]"
    text = f"{head}roles: {{node: {{count: 2, services: {services}}}}}\n{NOVA[check]}\n"
    assert check in of_plan(text, contracts.load(elements_path()))


def test_heat_limits(services: Contracts) -> None:
    cloud = cloudfile.parse(CLOUD.encode(), "f", services)
    assert not ids(limits.check(cloud, 1000, Mark("f", 1, 1)))
    large = CLOUD.replace("count: 2", "count: 300").replace("192.168.24.20]", "192.168.25.250]")
    large = large.replace("192.168.24.0/24", "192.168.24.0/23")
    cloud = cloudfile.parse(large.encode(), "f", services)
    found = ids(limits.check(cloud, 1_000_000, Mark("f", 1, 1)))
    assert found == {"W5001", "W5002"}
