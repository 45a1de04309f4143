# SPDX-License-Identifier: Apache-2.0
"""Every check of cloud files: its message, and the place it gives."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path, examples_path
from altostratus.yamlfile.problems import InvalidInputError
from generator import cloudfile, contracts
from generator.cloudfile.model import Cloud, Flavor
from generator.contracts.model import Contracts

GOOD = """\
name: test
hypervisors: [lxc]
networks:
  ctlplane: {cidr: 192.168.24.0/24, gateway: 192.168.24.1, pool: [192.168.24.10, 192.168.24.20]}
  internal: {vlan: 201, cidr: 172.16.2.0/24}
roles:
  database:
    services: [mariadb, memcached]
  api:
    services: [keystone, glance]
    count: 2
    networks: [ctlplane]
"""


def problems(text: str, services: Contracts) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        cloudfile.parse(text.encode(), "f", services)
    assert all(one.hint for one in error.value.problems), error.value
    return [str(one) for one in error.value.problems]


def read(text: str, services: Contracts) -> Cloud:
    return cloudfile.parse(text.encode(), "f", services)


def test_model(services: Contracts) -> None:
    cloud = read(GOOD, services)
    assert (cloud.release, cloud.distribution) == ("zed", "bookworm")
    assert (cloud.service_network, cloud.public_network) == ("ctlplane", "ctlplane")
    internal = cloud.networks["internal"]
    assert (internal.type, internal.vlan, internal.physical_network) == ("vlan", 201, "ctlplane")
    assert internal.cidr == IPv4Network("172.16.2.0/24")
    assert internal.pool == (IPv4Address("172.16.2.1"), IPv4Address("172.16.2.254"))
    assert internal.dhcp and internal.gateway is None
    database, api = cloud.roles["database"], cloud.roles["api"]
    assert database.hypervisor == "lxc"
    assert database.networks == ("ctlplane", "internal")
    assert database.flavor == Flavor(ram=1024, vcpus=1, disk=4)
    assert [api.instance(index) for index in range(api.count)] == ["api-0", "api-1"]
    assert api.networks == ("ctlplane",)


def test_a_default_pool_leaves_the_gateway_out(services: Contracts) -> None:
    text = GOOD.replace("172.16.2.0/24}", "172.16.2.0/24, gateway: 172.16.2.254}")
    assert str(read(text, services).networks["internal"].pool[1]) == "172.16.2.253"


def test_groups_and_removal(services: Contracts) -> None:
    text = GOOD.replace("[keystone, glance]", "[control, -glance]")
    assert read(text, services).roles["api"].services == ("keystone",)


def test_config_is_flattened_and_a_role_wins(services: Contracts) -> None:
    text = GOOD + "    config: {keystone: {threads: 2}}\nconfig: {keystone: {threads: 9}}\n"
    cloud = read(text, services)
    assert cloud.roles["api"].config == {"keystone.threads": 2}
    assert cloud.roles["database"].config == {}


def test_a_single_instance_with_fixed_addresses_has_the_name_of_its_role(
    services: Contracts,
) -> None:
    text = GOOD.replace(
        "[mariadb, memcached]",
        "[mariadb, memcached]\n    addresses: {ctlplane: [192.168.24.5], internal: [172.16.2.0]}",
    )
    text = text.replace("172.16.2.0]", "172.16.2.9]").replace(
        "16.2.0/24}", "16.2.0/24, pool: [172.16.2.10, 172.16.2.99]}"
    )
    assert read(text, services).roles["database"].instance(0) == "database"


@pytest.mark.parametrize("path", sorted(examples_path().glob("*.yaml")), ids=lambda path: path.stem)
def test_examples_are_valid(path: Path) -> None:
    assert cloudfile.load(path, contracts.load(elements_path())).roles


# (what to replace, by what, the one problem expected)
CASES = [
    # Form
    (
        "name: test",
        "nmae: test",
        "f:1:1: unknown key 'nmae' [E1102]\n    hint: did you mean 'name'?",
    ),
    ("name: test", "name: Test", "f:1:7: name: 'Test' is not a name of at most 40"),
    ("name: test", "name: test\nrelease: pike", "f:2:10: release: 'pike' is unknown"),
    ("count: 2", "count: two", "f:11:12: count: 'two' is not a whole number"),
    ("count: 2", "count: 0", "f:11:12: count: 0 is less than 1"),
    ("count: 2", "count: true", "f:11:12: count: true is not a whole number"),
    (
        "count: 2",
        "cuont: 2",
        "f:11:5: unknown key 'cuont' [E1102]\n    hint: did you mean 'count'?",
    ),
    (
        "[lxc]",
        "[lcx]",
        "f:2:15: hypervisors: 'lcx' is unknown [E1104]\n    hint: did you mean 'lxc'?",
    ),
    ("[lxc]", "[lxc, lxc]", "f:2:20: hypervisors: lxc is listed twice"),
    ("  api:", "  api-:", "f:9:3: roles: 'api-' is not a name of at most"),
    ("count: 2", "count: 65537", "f:11:12: count: 65537 is more than 65536"),
    ("[lxc]", "[]", "f:2:14: hypervisors: 0 items where at least 1 are needed"),
    ("vlan: 201", "vlan: 4095", "f:5:20: vlan: 4095 is more than 4094"),
    ("cidr: 172.16.2.0/24", "cidr: 172.16.2/24", "f:5:31: cidr: '172.16.2/24' is not an IPv4 netw"),
    ("  api:", "  API:", "f:9:3: roles: 'API' is not a name of at most"),
    (
        "count: 2",
        "services: [mariadb]",
        "f:11:5: duplicate key 'services' [E1010]\n    hint: it is already",
    ),
    ("    count: 2", "\tcount: 2", "f:11:1: not YAML: found character that cannot start any token"),
    # Networks
    (
        "172.16.2.0/24",
        "172.16.2.1/24",
        "f:5:31: cidr: 172.16.2.1/24 is an address [E1110]\n    hint: the",
    ),
    ("172.16.2.0/24", "127.1.0.0/16", "f:5:31: cidr: 127.1.0.0/16 has addresses of 127.0.0.0/8"),
    ("172.16.2.0/24", "224.0.0.0/24", "f:5:31: cidr: 224.0.0.0/24 has addresses of 224.0.0.0/4"),
    ("172.16.2.0/24", "169.254.0.0/16", "f:5:31: cidr: 169.254.0.0/16 has addresses of 169.254"),
    ("172.16.2.0/24", "128.0.0.0/1", "f:5:31: cidr: 128.0.0.0/1 has addresses of 169.254.0.0/16"),
    ("172.16.2.0/24", "192.168.24.128/25", "f:5:31: cidr: 192.168.24.128/25 overlaps 192.168.24.0"),
    ("vlan: 201", "type: vlan", "f:5:20: type: a vlan network needs an id"),
    ("vlan: 201", "vlan: 201, type: flat", "f:5:31: type: a flat network has no vlan"),
    (
        "vlan: 201, ",
        "",
        "f:5:13: physical network 'ctlplane' already has the flat network 'ctlplane'",
    ),
    ("  ctlplane: {", "  ctlplane: {vlan: 201, ", "f:5:20: vlan: 201 is already that of network"),
    ("gateway: 192.168.24.1,", "gateway: 192.168.25.1,", "f:4:46: gateway: 192.168.25.1 is not an"),
    ("gateway: 192.168.24.1,", "gateway: 192.168.24.0,", "f:4:46: gateway: 192.168.24.0 is not an"),
    (
        "gateway: 192.168.24.1,",
        "gateway: 192.168.24.15,",
        "f:4:67: pool: the gateway 192.168.24.15",
    ),
    ("24.10, ", "24.30, ", "f:4:66: pool: 192.168.24.30 is after 192.168.24.20"),
    (", 192.168.24.20", ", 192.168.24.255", "f:4:66: pool: 192.168.24.255 is not an address of"),
    (
        ", 192.168.24.20",
        ", 192.168.24.12",
        "f:4:66: network 'ctlplane' is too small: 3 instances a",
    ),
    ("0/24}\nroles", "0/30}\nroles", None),
    (
        "0/24}\nroles",
        "0/32}\nroles",
        "f:5:31: network 'internal' is too small: 1 instances and one",
    ),
    (
        "172.16.2.0/24}",
        "172.16.2.0/24, routes: [{destination: 10.0.0.0/8, nexthop: 10.1.1.1}]}",
        "f:5:90: nexthop: 10.1.1.1 is not an address of hosts in 172.16.2.0/24",
    ),
    # Names of networks
    ("networks: [ctlplane]", "networks: [ctlpalne]", "f:12:16: networks of api: unknown network"),
    ("networks: [ctlplane]", "networks: [internal]", "f:12:15: networks: 'api' is not on ctlplane"),
    (
        "networks: [ctlplane]",
        "networks: [ctlplane, ctlplane]",
        "f:12:15: networks: one is listed t",
    ),
    ("name: test", "name: test\nservice_network: x", "f:2:18: service_network: unknown network"),
    (
        "name: test",
        "name: test\nservice_network: internal",
        "f:13:15: networks: 'api' is not on int",
    ),
    ("  ctlplane: {", "  control: {", "f:1:1: no network 'ctlplane', the default"),
    # Services
    (
        "keystone,",
        "keystnoe,",
        "f:10:16: services: unknown service 'keystnoe' [E2401]\n    hint: did you mean",
    ),
    (
        "keystone,",
        "keystone, compute-common,",
        "f:10:26: services: 'compute-common' is shared sett",
    ),
    ("keystone,", "keystone, keystone,", "f:10:26: services: 'keystone' is already there"),
    ("keystone,", "keystone, -compute,", "f:10:26: services: -compute removes nothing"),
    ("[keystone, glance]", "[control, -control]", "f:10:15: services: nothing is left for 'api'"),
    ("[mariadb, memcached]", "[memcached]", "f:10:16: keystone needs mariadb, which no role has"),
    ("[keystone, glance]", "[glance]", "f:10:16: glance needs keystone, which no role has"),
    (
        "memcached]",
        "memcached]\n    count: 2",
        "f:8:16: mariadb: 2 instances where at most 1 are allowed",
    ),
    (
        "[keystone, glance]",
        "[control, mariadb]",
        "f:8:16: mariadb: 3 instances where at most 1 are",
    ),
    (
        "count: 2",
        "hypervisor: kvm",
        "f:11:17: hypervisor: kvm is not listed [E2202]\n    hint: add it to",
    ),
    (
        "  api:",
        "  data-base: {services: [memcached]}\n  data-Base:",
        "f:10:3: roles: 'data-Base' is n",
    ),
    (
        "  api:",
        "  d-1: {services: [memcached]}\n  d1:",
        "f:10:3: roles 'd-1' and 'd1' both have a resource D1",
    ),
    # Configuration
    ("count: 2", "config: {keystone: {thread: 2}}", "f:11:25: config: no service here has the key"),
    (
        "count: 2",
        "config: {keystone: {threads: x}}",
        "f:11:34: keystone.threads: 'x' is not a whole",
    ),
    ("count: 2", "config: {keystone: 5}", "f:11:24: keystone: 5 is not a mapping"),
    (
        "count: 2",
        "config: {mariadb: {databases: []}}",
        "f:11:14: config: no service here has the key",
    ),
    (
        "name: test",
        "name: test\nconfig: {nova: {x: 1}}",
        "f:2:10: config: no service here has the key",
    ),
    ("glance]", "glance, compute-lxc]", "f:10:5: 'compute-lxc.token' of compute-lxc must be given"),
    # Fixed addresses
    (
        "count: 2",
        "addresses: {ctlplane: [192.168.24.255]}",
        "f:11:27: addresses: 192.168.24.255 is not an address of hosts in 192.168.24.0/24 of ctl",
    ),
    (
        "count: 2",
        "count: 2\n  api-1:\n    services: [memcached]\n    addresses: {ctlplane: [192.168.24.5]}",
        "f:12:3: an instance of role 'api-1' has the name of one of 'api'",
    ),
    (
        "count: 2",
        "count: 2\n  api-2:\n    services: [memcached]\n    addresses: {ctlplane: [192.168.24.5]}",
        None,
    ),
    (
        "count: 2",
        "addresses: {ctlplane: [192.168.24.15]}",
        "f:11:27: addresses: 192.168.24.15 is in t",
    ),
    (
        "count: 2",
        "addresses: {ctlplane: [192.168.25.5]}",
        "f:11:27: addresses: 192.168.25.5 is not an address of hosts in 192.168.24.0/24 of ctlp",
    ),
    (
        "count: 2",
        "addresses: {internal: [172.16.2.5]}",
        "f:11:27: addresses: 'api' is not on internal",
    ),
    ("count: 2", "addresses: {x: [172.16.2.5]}", "f:11:17: addresses of api: unknown network 'x'"),
    (
        "count: 2",
        "count: 2\n    addresses: {ctlplane: [192.168.24.5]}",
        "f:12:27: addresses: 1 on ctlplane for 2 instances",
    ),
    (
        "count: 2",
        "count: 2\n    addresses: {ctlplane: [192.168.24.5, 192.168.24.5]}",
        "f:12:27: addresses: an address on ctlplane is listed twice",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), CASES)
def test_checks(old: str, new: str, expected: str | None, services: Contracts) -> None:
    assert old in GOOD
    text = GOOD.replace(old, new, 1)
    if expected is None:
        assert read(text, services)
    else:
        found = problems(text, services)
        assert any(one.startswith(expected) for one in found), found


MANY = """\
nmae: test
hypervisors: [lxc, lxd]
networks:
  ctlplane: {cidr: 192.168.24.0/24, gatway: 192.168.24.1, pool: [192.168.24.10, 192.168.24.99]}
  internal: {vlan: 201, cidr: 172.16.2.0/24, dns: [x], gateway: 172.16.3.1}
  storage: {vlan: 201, cidr: 172.16.3.0/33}
  public: {vlan: 5000, cidr: 172.16.2.128/25}
roles:
  api:
    services: [keystone, memcached]
    networks: [ctlplane, internl]
    cuont: 2
    addresses: {ctlplane: [192.168.25.5, 192.168.24.9]}
  store:
    services: [glnce]
    hypervisor: kvm
    flavour: {}
    config: {glance: {url: 5}}
"""


def test_all_problems_at_once_in_the_order_of_the_file(services: Contracts) -> None:
    found = [one.partition("\n")[0] for one in problems(MANY, services)]
    expected = [
        "f:1:1: unknown key 'nmae' [E1102]",
        "f:2:20: hypervisors: 'lxd' is unknown [E1104]",
        "f:4:37: unknown key 'gatway' [E1102]",
        "f:5:52: dns: 'x' is not an IPv4 address [E1105]",
        "f:5:65: gateway: 172.16.3.1 is not an address of hosts in 172.16.2.0/24 [E2104]",
        "f:6:19: vlan: 201 is already that of network 'internal' [E2110]",
        "f:6:30: cidr: '172.16.3.0/33' is not an IPv4 network [E1105]",
        "f:7:18: vlan: 5000 is more than 4094 [E1106]",
        "f:7:30: cidr: 172.16.2.128/25 overlaps 172.16.2.0/24 of network 'internal' [E2108]",
        "f:10:16: keystone needs mariadb, which no role has [E2406]",
        "f:11:26: networks of api: unknown network 'internl' [E2111]",
        "f:12:5: unknown key 'cuont' [E1102]",
        "f:13:27: addresses: 192.168.25.5 is not an address of hosts in 192.168.24.0/24 of "
        "ctlplane [E2304]",
        "f:15:16: services: unknown service 'glnce' [E2401]",
        "f:16:17: hypervisor: kvm is not listed [E2202]",
        "f:17:5: unknown key 'flavour' [E1102]",
        "f:18:28: glance.url: 5 is not a string [E1101]",
    ]
    assert found == expected


# (what to replace, by what, the only problems): nothing that merely follows from them.
ALONE = [
    ("name: test", "name: test\nsevice_network: internal", ["unknown key 'sevice_network'"]),
    ("name: test", "name: test\nservice_network: I", ["service_network: 'I' is not a name"]),
    ("[lxc]", "[lcx]", ["hypervisors: 'lcx' is unknown"]),
    ("[lxc]", "[lcx]\njoin: 5", ["hypervisors: 'lcx' is unknown", "join: 5 is not a cloud file"]),
    ("vlan: 201", "vlan: 0", ["vlan: 0 is less than 1"]),
    ("vlan: 201", "valn: 201", ["unknown key 'valn'"]),
    ("vlan: 201", "type: vlan", ["type: a vlan network needs an id"]),
    ("vlan: 201", "type: vlan, vlan: x", ["vlan: 'x' is not a whole number"]),
    ("cidr: 172.16.2.0/24", "cdir: 172.16.2.0/24", ["unknown key 'cdir'"]),
    ("cidr: 172.16.2.0/24", "mtu: 1500", ["internal: 'cidr' is missing"]),
    ("vlan: 201, cidr: 172.16.2.0/24", "<<: 5", ["merge keys (<<) are not supported"]),
    ("24.20]", "25.20]", ["pool: 192.168.25.20 is not an address of hosts in"]),
    ("pool: [192.168.24.10,", "pool: [x,", ["pool: 'x' is not an IPv4 address"]),
    ("  internal: {", "  Internal: {", ["networks: 'Internal' is not a name"]),
    ("  api:", "  Api:", ["roles: 'Api' is not a name"]),
    ("[mariadb, memcached]", "5", ["services: 5 is not a list"]),
    ("[mariadb, memcached]", "[Mariadb, memcached]", ["services: 'Mariadb' is not a service"]),
    ("[mariadb,", "[mariabd, -mariadb,", ["services: unknown service 'mariabd'"]),
    ("    services: [mariadb, memcached]", "    <<: 5", ["merge keys (<<) are not supported"]),
    ("    services: [mariadb, memcached]", "    servics: []", ["unknown key 'servics'"]),
    ("\n    services: [mariadb, memcached]", " *x", ["alias *x has no complete anchor before it"]),
    ("networks: [ctlplane]", "networks: [ctlpalne]", ["networks of api: unknown network 'ctlp"]),
    ("networks: [ctlplane]", "networks: 5", ["networks: 5 is not a list"]),
    (
        "count: 2",
        "count: x\n    addresses: {ctlplane: [192.168.24.5, 192.168.24.6]}",
        ["count: 'x'"],
    ),
    (
        "count: 2",
        "count: 2\n    addresses: {ctlplane: [192.168.24.5, x]}",
        ["ctlplane: 'x' is not an IPv4 address"],
    ),
    ("keystone,", "keystnoe,", ["services: unknown service 'keystnoe'"]),
    (
        "keystone, glance]",
        "glnce]\n    config: {glance: {url: x}}",
        ["services: unknown service 'gl"],
    ),
    (
        "glance]",
        "compute-lxc]\n    config: {compute-lxc: {tokn: x}}",
        ["config: no service here has"],
    ),
    (
        "glance]",
        "compute-lxc]\n    config: {compute-lxc: {token: 5}}",
        ["compute-lxc.token: the value (not shown"],
    ),
    ("glance]", "compute-lxc]\n    config: 5", ["config: 5 is not a mapping"]),
]


@pytest.mark.parametrize(("old", "new", "expected"), ALONE)
def test_nothing_follows_from_a_mistake(
    old: str, new: str, expected: list[str], services: Contracts
) -> None:
    assert old in GOOD
    found = [one.split(" ", 1)[1] for one in problems(GOOD.replace(old, new, 1), services)]
    assert len(found) == len(expected), found
    assert all(map(str.startswith, found, expected)), found


@pytest.mark.parametrize("networks", ["5", "{}", "[]", "", "{ctlplane: 5}"])
def test_networks_that_are_none(networks: str, services: Contracts) -> None:
    start, end = GOOD.index("networks:"), GOOD.index("roles:")
    text = f"{GOOD[:start]}networks: {networks}\n{GOOD[end:]}"
    assert len(problems(text, services)) == 1


@pytest.mark.parametrize("text", ["", "[]", "x", "- a", "name:", "roles: {a: }", "networks: 5"])
def test_hopeless_files(text: str, services: Contracts) -> None:
    assert problems(text, services)


def test_a_type_for_all_roles(services: Contracts) -> None:
    text = GOOD.replace("[lxc]", "[lxc, kvm]").replace("count: 2", "hypervisor: kvm")
    assert [one.hypervisor for one in read(text, services).roles.values()] == ["lxc", "kvm"]
    cloud = cloudfile.parse(text.encode(), "f", services, "docker")
    assert [one.hypervisor for one in cloud.roles.values()] == ["docker", "docker"]
    assert cloud.hypervisors == ("docker",)
    # A file that is wrong in other places is still wrong, and only there.
    with pytest.raises(InvalidInputError) as error:
        cloudfile.parse(text.replace("glance", "glnce").encode(), "f", services, "docker")
    assert [one.message for one in error.value.problems] == ["services: unknown service 'glnce'"]


def test_bare_metal_needs_the_cable_of_its_vlans(services: Contracts) -> None:
    ironic = GOOD.replace("[lxc]", "[ironic]")
    database = read(ironic, services).roles["database"]
    assert read(ironic, services).carrier(database, "internal") == "ctlplane"
    elsewhere = ironic.replace("vlan: 201", "vlan: 201, physical_network: storage")
    assert problems(elsewhere, services) == [
        "f:8:5: networks: bare metal needs a flat network to reach the VLAN internal [E2205]\n"
        "    hint: add the flat network of the physical network storage to 'database'"
    ]
    read(elsewhere.replace("[ironic]", "[kvm]"), services)
