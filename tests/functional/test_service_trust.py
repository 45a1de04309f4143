# SPDX-License-Identifier: Apache-2.0
"""What services take from whom: where they listen, and that no item of memcached is a program."""

import base64
import os
import pickle
import shlex
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from altostratus.datafiles import elements_path, examples_path
from devtest import clouds, container
from devtest import undercloud as node
from devtest.undercloud import instances
from devtest.workspace import Workspace
from generator import cloudfile, contracts
from generator.cloudfile import services
from generator.cloudfile.model import Role

pytestmark = pytest.mark.gate

EVERYWHERE = {("tcp", 22), ("udp", 68)}
"""sshd, and the clients of DHCP: they are in no contract."""

POISON = """
import base64, socket, sys
memcached = socket.create_connection((sys.argv[1], 11211), 20)
answers = memcached.makefile("rb")
item = base64.b64decode(sys.argv[2])
memcached.sendall(b"lru_crawler metadump all\\r\\n")
keys = []
for line in iter(answers.readline, b"END\\r\\n"):
    keys.append(line.split()[0].removeprefix(b"key=").replace(b"%2F", b"/"))
for key in keys:
    memcached.sendall(b"set %s 1 0 %d\\r\\n%s\\r\\n" % (key, len(item), item))
    assert answers.readline() == b"STORED\\r\\n"
print(len(keys))
"""
"""Writes a pickle into every item of the memcached at an address; prints how many there were."""


class Program:
    """Leaves a line in the journal when it is unpickled."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> Any:
        return os.system, (f"logger --tag {self.name} unpickled",)


class Machine:
    """A node or an instance, its role, and a way to run commands as root."""

    def __init__(self, workspace: Workspace, name: str, role: Role) -> None:
        self.workspace, self.name, self.role = workspace, name, role

    def run(self, *command: str) -> str:
        if self.name == "undercloud":
            return container.inside(node.current(self.workspace), *command)
        connection = clouds.connect(self.workspace, "undercloud")
        instance = instances.find(connection, f"overcloud/{self.name}")
        text = f"sudo {shlex.join(command)}"
        return instances.execute(self.workspace, instance, text, timeout=60)

    def metadata(self, key: str) -> str:
        program = "/usr/local/lib/altostratus/metadata.py"
        merged = "/run/altostratus/metadata.json"
        return self.run("python3", "-IS", program, merged, key).strip()

    def listening(self) -> set[tuple[str, str, int]]:
        """Return protocol, address and port of all sockets that others can reach."""
        found = set()
        for line in self.run("ss", "-lntuH").splitlines():
            protocol, _state, _in, _out, local, *_ = line.split()
            address, _, port = local.rpartition(":")
            address = address.partition("%")[0].strip("[]")
            if not address.startswith("127.") and address != "::1":
                found.add((protocol, address, int(port)))
        return found

    def allowed(self) -> set[tuple[str, str, int]]:
        """Return the same of all that the contracts of its services say."""
        known = contracts.load(elements_path())
        service = self.metadata("instance.service_address")
        addresses = {"service": {service}}
        addresses["public"] = {service, self.metadata("instance.public_address")}
        return {
            ("tcp", address, int(port if isinstance(port, int) else self.metadata(port)))
            for contract in services.closure(self.role.services, known)
            for port, scope in ((one.port, one.scope) for one in contract.listens)
            for address in addresses.get(scope, ())
        }


def machine(workspace: Workspace, cloud: str, role: str) -> Machine:
    path = examples_path() / f"{cloud}.yaml"
    loaded = cloudfile.load(path, contracts.load(elements_path())).roles[role]
    return Machine(workspace, loaded.instance(0), loaded)


@pytest.mark.parametrize(
    ("cloud", "role"),
    [
        ("undercloud", "undercloud"),
        ("overcloud", "database"),
        ("overcloud", "memcached"),
        ("overcloud", "keystone"),
        ("overcloud", "glance"),
    ],
)
def test_sockets_are_those_of_the_contracts(cloud: str, role: str, overcloud: Workspace) -> None:
    asked = machine(overcloud, cloud, role)
    found, allowed = asked.listening(), asked.allowed()
    more = {one for one in found - allowed if (one[0], one[2]) not in EVERYWHERE}
    assert not more, f"{role} listens on more than its contracts say"
    assert not allowed - found, f"{role} does not listen where its contracts say"


@pytest.fixture
def attacker(overcloud: Workspace) -> Machine:
    """An instance that reaches the memcached of the undercloud and of its own cloud."""
    return machine(overcloud, "overcloud", "database")


def poison(attacker: Machine, address: str, name: str) -> int:
    """Write a program to every item of a memcached, and return how many there were."""
    item = base64.b64encode(pickle.dumps(Program(name))).decode()
    return int(attacker.run("python3", "-c", POISON, address, item))


def use(connection: Any) -> Iterator[Any]:
    """Ask the APIs of a cloud, each of which looks for the token in its cache."""
    for service, path in (
        ("image", "/images?limit=1"),
        ("compute", "/servers?limit=1"),
        ("network", "/networks?limit=1"),
        ("orchestration", "/stacks?limit=1"),
        ("placement", "/resource_providers"),
        ("baremetal", "/nodes?limit=1"),
    ):
        if connection.has_service(service):
            yield getattr(connection, service).get(path).status_code


@pytest.mark.parametrize(
    ("cloud", "role"), [("undercloud", "undercloud"), ("overcloud", "memcached")]
)
def test_an_item_that_is_a_program_does_nothing(
    cloud: str, role: str, attacker: Machine, overcloud: Workspace
) -> None:
    """As an attacker does it who can reach the port: the keys of memcached are no secret."""
    name = f"pickle-{uuid.uuid4().hex[:8]}"
    connection = clouds.connect(overcloud, cloud)
    assert set(use(connection)) == {200}
    address = machine(overcloud, cloud, role).metadata("instance.service_address")
    assert poison(attacker, address, name) > 0
    assert set(use(connection)) == {200}
    readers = [machine(overcloud, "undercloud", "undercloud")]
    if cloud == "overcloud":
        readers = [machine(overcloud, cloud, one) for one in ("keystone", "glance")]
    for reader in readers:
        assert reader.run("journalctl", "--no-pager", "--quiet", f"--identifier={name}") == ""


@pytest.mark.parametrize(
    ("cloud", "role"), [("undercloud", "undercloud"), ("overcloud", "keystone")]
)
def test_keystones_cache_is_used_and_nobody_elses(
    cloud: str, role: str, overcloud: Workspace
) -> None:
    reader = machine(overcloud, cloud, role)
    shown = reader.run("stat", "-c", "%a %U", "/run/keystone-cache", "/run/keystone-cache/socket")
    assert shown.splitlines() == ["700 keystone", "600 keystone"]
    count = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/keystone-cache/socket');"
        " s.sendall(b'stats\\r\\nquit\\r\\n'); print(s.makefile().read())"
    )
    lines = reader.run("python3", "-c", count).splitlines()
    stats = dict(line.split()[1:3] for line in lines if line.startswith("STAT "))
    assert int(stats["curr_items"]) > 0
    assert int(stats["get_hits"]) > 0


def test_heat_stores_properties_encrypted(overcloud: Workspace) -> None:
    """They hold the metadata of instances, and so the secrets of the cloud."""
    query = "SELECT encrypted, data FROM heat.resource_properties_data"
    undercloud = machine(overcloud, "undercloud", "undercloud")
    rows = undercloud.run("mariadb", "--batch", "-Ne", query).splitlines()
    secrets = overcloud.generated("overcloud").secrets.values()
    assert rows
    assert secrets
    assert {row.split("\t")[0] for row in rows} == {"1"}
    assert not [row for row in rows if any(secret in row for secret in secrets)]
