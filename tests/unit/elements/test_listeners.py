# SPDX-License-Identifier: Apache-2.0
"""Where services listen: what contracts, templates, units and scripts say of it."""

import configparser
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path
from generator import contracts

ELEMENTS = elements_path()
LOADED = contracts.load(ELEMENTS).by_name
FILES = sorted(
    path
    for kind in ("os-apply-config", "os-refresh-config", "systemd", "static")
    for path in ELEMENTS.glob(f"*/{kind}/**/*")
    if path.is_file() and "__pycache__" not in path.parts
)
TEMPLATES = [p for p in FILES if "os-apply-config" in p.parts and p.suffix != ".oac"]
SERVICE = re.escape("{{instance.service_address}}")

# Each option that binds a server of these elements, with what may follow.
BINDS = {
    r"bind_host\s*=": SERVICE,
    r"host_ip\s*=": SERVICE,
    r"(?:osapi_compute|metadata)_listen\s*=": SERVICE,
    r"http-socket\s*=": SERVICE + r":\d+",
    r"bind-address\s*=": SERVICE,
    r"listeners\.tcp\.\d+\s*=": SERVICE + r":\d+",
    r"-l(?=\s)": SERVICE,
    r"addr:": SERVICE + r":\{\{docker-registry\.port\}\}",
    r"listen(?=\s)": r"\{\{ironic\.provisioning_ip\}\}:\d+;",
    r"\w+_LISTEN_IP\s*=": '"127.0.0.1"',
    r"ListenStream\s*=": r"\$public:\$port\"?",
}
WILDCARD = re.compile(r"(?<![\d.])0\.0\.0\.0(?![\d./])|\[::\]|(?<=[\s=\"'])(?:::|\*):\d+")
# Which services listen with an option of their own; without it they would take all addresses.
MUST = {
    "mariadb": "bind-address",
    "memcached": "-l",
    "rabbitmq": "listeners.tcp.1",
    "keystone": "http-socket",
    "placement": "http-socket",
    "glance": "bind_host",
    "heat": "bind_host",
    "neutron-server": "bind_host",
    "nova-api": "osapi_compute_listen metadata_listen",
    "nova-ironic": "host_ip listen",
    "docker-registry": "addr:",
    "virtual-baremetal": "SUSHY_EMULATOR_LISTEN_IP",
}
REMOTE = re.compile(
    r"ptcp:|pssl:|--listen\b|listen_tcp|listen_tls\s*=\s*1|tcp://0|-H\s+tcp|\bguest:guest\b"
)


def code(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that are no comments, with their numbers."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.lstrip().startswith(("#", "%%", ";")):
            yield number, line


def found(pattern: str | re.Pattern[str], paths: list[Path]) -> list[str]:
    return [
        f"{path.relative_to(ELEMENTS)}:{number}: {line.strip()}"
        for path in paths
        for number, line in code(path)
        if re.search(pattern, line)
    ]


def test_nothing_listens_on_every_address() -> None:
    hits = found(WILDCARD, FILES)
    assert not [hit for hit in hits if not hit.startswith("vlan-interfaces/")], hits


@pytest.mark.parametrize(
    ("line", "wild"),
    [
        ("bind_host = 0.0.0.0", True),
        ("http-socket=0.0.0.0:5000", True),
        ("ListenStream=[::]:80", True),
        ("listen *:80;", True),
        ('routes.append("0.0.0.0/0")', False),
        ("http-socket = 10.0.0.0:80", False),
        ("url = unix:/run/x", False),
        ("std::vector", False),
    ],
)
def test_the_search_finds_wildcards(line: str, wild: bool) -> None:
    assert bool(WILDCARD.search(line)) == wild


@pytest.mark.parametrize("option", BINDS)
def test_options_that_bind_take_the_service_address(option: str) -> None:
    places = [p for p in FILES if "os-apply-config" in p.parts or p.name == "90-public-ports"]
    hits = found(rf"^\s*{option}", places)
    assert hits
    for hit in hits:
        assert re.search(rf"{option}\s*{BINDS[option]}$", hit), hit


@pytest.mark.parametrize("name", MUST)
def test_services_say_where_they_listen(name: str) -> None:
    """A server that is not told takes all addresses: the option must not get lost."""
    texts = [line for p in TEMPLATES if p.is_relative_to(ELEMENTS / name) for _, line in code(p)]
    for option in MUST[name].split():
        assert any(line.strip().startswith(option) for line in texts), option


def test_every_service_with_a_network_port_is_looked_at() -> None:
    """A new contract that listens on a network needs its option in MUST and BINDS."""
    network = {
        name
        for name, one in LOADED.items()
        if any(listener.scope != "loopback" for listener in one.listens)
    }
    assert network <= MUST.keys()


@pytest.mark.parametrize("name", sorted(LOADED))
def test_ports_that_are_checked_and_advertised_are_in_the_contract(name: str) -> None:
    one = LOADED[name]
    ports = {listener.port: listener.scope for listener in one.listens}
    assert {check.port for check in one.health} <= ports.keys()
    if one.endpoint:
        assert ports[one.endpoint.port] == "public"
    assert len(ports) == len(one.listens)


def test_no_daemon_is_told_to_listen_for_remote_control() -> None:
    """Open vSwitch, libvirt and docker take orders from UNIX sockets; RabbitMQ has no guest."""
    assert not found(REMOTE, FILES)
    for option in ("hosts", "tlsverify"):
        assert (
            option
            not in (
                ELEMENTS / "nova-docker/os-apply-config/etc/nova/compute/dockerd.json"
            ).read_text()
        )
    assert found("^loopback_users", FILES) == []


def test_erlang_is_on_the_loopback_address() -> None:
    rabbit = ELEMENTS / "rabbitmq"
    assert "{inet_dist_use_interface, {127, 0, 0, 1}}" in (
        rabbit / "os-apply-config/etc/rabbitmq/advanced.config"
    ).read_text(encoding="utf-8")
    drop_in = rabbit / "systemd/rabbitmq-server.service.d/altostratus.conf"
    assert "Environment=ERL_EPMD_ADDRESS=127.0.0.1" in drop_in.read_text().splitlines()


def test_packaged_servers_retry_until_their_address_is_there() -> None:
    """Debian's units give up; on a reboot DHCP may be later than they are."""
    for name in ("mariadb", "memcached", "rabbitmq-server", "docker-registry"):
        (path,) = ELEMENTS.glob(f"*/systemd/{name}.service.d/altostratus.conf")
        text = path.read_text()
        assert "StartLimitIntervalSec=0" in text
        assert "ovs-bridges.service" in text


# Tokens, and other things that are cached.


def test_the_middleware_encrypts_what_it_caches() -> None:
    sections = [
        (path, section)
        for path in TEMPLATES
        for section in re.split(r"^(?=\[)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
        if "memcached_servers" in section
    ]
    assert len(sections) >= 6
    for path, section in sections:
        assert section.startswith("[keystone_authtoken]"), path
        assert "\nmemcache_security_strategy = ENCRYPT\n" in section, path
        assert "\nmemcache_secret_key = {{cache.secret_key}}\n" in section, path


def test_the_key_is_generated_and_only_for_those_who_cache() -> None:
    key = LOADED["keystone-middleware"].keys["cache.secret_key"]
    assert key.secret
    assert LOADED["keystone-middleware"].secrets == {"cache.secret-key": "password"}
    readers = {
        path.relative_to(ELEMENTS).parts[0]
        for path in TEMPLATES
        if "cache.secret_key" in path.read_text(encoding="utf-8")
    }
    with_key = {name for name, one in LOADED.items() if "keystone-middleware" in one.closure}
    assert with_key - {"keystone-middleware"} == readers


def test_other_caches_hold_nothing_from_the_network() -> None:
    """oslo.cache stores pickles: with whatever backend, servers are sockets of the instance."""
    caching = [p for p in TEMPLATES if re.search(r"^\[cache\]", p.read_text(), re.MULTILINE)]
    assert [path.name for path in caching] == ["keystone.conf"]
    parser = configparser.RawConfigParser(default_section="-")
    parser.read_string(caching[0].read_text())
    assert dict(parser["cache"]) == {
        "enabled": "true",
        "backend": "dogpile.cache.memcached",
        "memcache_servers": "unix:/run/keystone-cache/socket",
    }


def test_keystones_cache_is_a_socket_for_keystone_alone() -> None:
    unit = (ELEMENTS / "keystone/systemd/keystone-cache.service").read_text().splitlines()
    for line in (
        "User=keystone",
        "RuntimeDirectory=keystone-cache",
        "RuntimeDirectoryMode=0700",
        "RestrictAddressFamilies=AF_UNIX",
    ):
        assert line in unit
    (start,) = (line for line in unit if line.startswith("ExecStart="))
    words = start.split()
    assert words[words.index("-s") + 1] == "/run/keystone-cache/socket"
    assert words[words.index("-a") + 1] == "0600"
    assert not {"-p", "-l", "-U"} & set(words)


def test_heat_encrypts_what_it_stores() -> None:
    text = (ELEMENTS / "heat/os-apply-config/etc/heat/heat.conf").read_text()
    default = re.split(r"^\[", text, flags=re.MULTILINE)[1]
    assert default.startswith("DEFAULT]")
    assert "\nencrypt_parameters_and_properties = true\n" in default


def test_no_code_of_ours_unpickles_or_evaluates() -> None:
    """In images: pickle and marshal are programs, as are eval, exec and yaml.load of anybody's."""
    unpickling = r"\b(?:pickle|marshal|shelve|dill)\.loads?\b"
    pattern = rf"{unpickling}|\byaml\.(?:unsafe_)?load\(|(?<![\w.])(?:eval|exec)\("
    images = [p for p in FILES if "memcache.py" not in p.name and p.suffix not in (".json",)]
    drivers = sorted((ELEMENTS.parent / "novadrivers").rglob("*.py"))
    python = [p for p in images if p.suffix == ".py" or "python3" in p.read_text()[:40]]
    assert python and drivers
    hits = [
        f"{path}:{number}: {line.strip()}"
        for path in (*python, *drivers)
        for number, line in code(path)
        if re.search(pattern, line)
    ]
    assert not hits
