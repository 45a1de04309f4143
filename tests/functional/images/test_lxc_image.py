# SPDX-License-Identifier: Apache-2.0
"""An image that build-images made, booted: base, agents and infrastructure services do their work.

The image has all three infrastructure services and runs as a system container; its metadata come
from a file, so that the tests need no cloud. What libvirt-lxc and Heat add is tested with the whole
chain.
"""

import copy
import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import infrastructure
import pytest
from infrastructure import METADATA, NODE, UNITS

from devtest import container
from devtest.container.spec import Network, Spec

pytestmark = pytest.mark.gate

SEED = "/var/lib/cloud/seed/config_drive"
SCRIPTS = "/usr/libexec/os-refresh-config/post-configure.d"
# Seconds for one refresh on a loaded machine.
PATIENCE = 300.0


@pytest.fixture(scope="module")
def image(scratch: Path) -> Path:
    return infrastructure.build(scratch, "lxc")


def content(image: Path, path: str) -> str | None:
    """Return a file of an image that nobody has booted, None if there is none."""
    command = ["debugfs", "-R", f"cat {path}", image]
    done = subprocess.run(command, capture_output=True, text=True)
    return None if "File not found" in done.stderr else done.stdout


def test_nothing_of_a_machine_is_in_the_image(image: Path) -> None:
    assert content(image, "/etc/machine-id") == ""
    assert content(image, "/etc/fstab") == ""
    assert content(image, "/etc/ssh/ssh_host_ed25519_key") is None
    assert content(image, "/etc/dib-manifests/dib_environment") is None
    assert content(image, "/var/lib/rabbitmq/.erlang.cookie") is None
    shadow = content(image, "/etc/shadow") or ""
    assert shadow
    assert infrastructure.passwords(shadow) == []


NETWORK = Network("t-image", "10.77.8.1/30", "10.77.8.2/30")


def told() -> dict[str, Any]:
    """Return the metadata of the node, which listens on the address that it has."""
    metadata = copy.deepcopy(NODE)
    metadata["instance"]["service_address"] = NETWORK.container
    return metadata


class Node:
    """The booted image and what the tests ask of it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.metadata = told()

    def run(self, *command: str, check: bool = True) -> str:
        done = subprocess.run(
            container.enter_command(self.spec, command), capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout.strip()

    def file(self, path: str) -> Path:
        found = container.file_of(self.spec, path)
        assert found
        return found

    def wait_for(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until refresh.json satisfies ``wanted`` and return it."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            report = container.refresh_state(self.spec)
            if report and wanted(report):
                return report
            time.sleep(0.2)
        pytest.fail(f"{report}\n{self.run('journalctl', '-u', 'os-collect-config', '-n', '40')}")

    def apply(self) -> dict[str, Any]:
        """Give the node its changed metadata and wait for the result."""
        before = container.refresh_state(self.spec).get("metadata")
        self.file(METADATA).write_text(json.dumps(self.metadata))
        return self.wait_for(
            lambda r: r["state"] in ("applied", "failed") and r["metadata"] != before
        )

    def processes(self) -> dict[str, str]:
        return {u: self.run("systemctl", "show", "-P", "MainPID", u) for u in UNITS}


@pytest.fixture(scope="module")
def node(image: Path, scratch: Path, key: Path) -> Iterator[Node]:
    """The image, booted and configured, with what Nova tells cloud-init on a config drive."""
    metadata = scratch / "node.json"
    metadata.write_text(json.dumps(told()))
    spec = Spec(
        name="test-image",
        state=scratch / "node",
        image=image,
        image_key="one",
        network=NETWORK,
        files={f"{SEED}/{name}": text for name, text in infrastructure.config_drive(key).items()},
        secrets={METADATA: str(metadata)},
    )
    container.start(spec)
    booted = Node(spec)
    try:
        booted.wait_for(lambda report: report["state"] in ("applied", "failed"))
        yield booted
    finally:
        container.stop(spec)


def test_boots_without_a_failed_unit(node: Node) -> None:
    node.wait_for(lambda report: report["state"] == "applied")
    state = node.run("systemctl", "is-system-running", "--wait", check=False)
    assert state == "running", node.run("systemctl", "--failed")
    assert "ordering cycle" not in node.run("journalctl", "--no-pager")


def test_cloud_init_did_what_nova_and_heat_told(node: Node, key: Path) -> None:
    status = json.loads(node.run("cat", "/run/cloud-init/status.json"))["v1"]
    stages = ("init-local", "init", "modules-config", "modules-final")
    assert all(status[stage]["finished"] for stage in stages)
    assert not any(status[stage]["errors"] for stage in stages)
    assert node.run("hostname") == "node"
    assert json.loads(node.run("cat", "/var/lib/heat-cfntools/cfn-init-data"))
    options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes")
    command = ["ssh", "-i", key, *(word for option in options for word in ("-o", option))]
    command += [f"debian@{node.spec.network.container}", "sudo -n id -un"]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "root\n"


def test_sshd_answers_with_keys_of_its_own(node: Node) -> None:
    with socket.create_connection((node.spec.network.container, 22), timeout=10) as connection:
        assert connection.recv(64).startswith(b"SSH-2.0-")
    assert "ED25519" in node.run("ssh-keygen", "-lf", "/etc/ssh/ssh_host_ed25519_key.pub")
    assert "passwordauthentication no" in node.run("sshd", "-T")


def test_console_shows_the_journal(node: Node) -> None:
    # Some time behind the journal on a busy machine.
    deadline = time.monotonic() + PATIENCE
    while "99-refresh-completed completed" not in node.spec.console.read_text(errors="replace"):
        assert time.monotonic() < deadline, container.tail(node.spec.console)
        time.sleep(0.5)


def test_secrets_are_for_root_alone_and_not_in_the_journal(node: Node) -> None:
    for path in (METADATA, "/run/altostratus/metadata.json", "/etc/os-collect-config.conf"):
        assert node.run("stat", "-c", "%a %U", path) == "600 root"
    assert node.run("stat", "-c", "%a %G", "/etc/rabbitmq/rabbitmq.conf") == "640 rabbitmq"
    journal = node.run("journalctl", "--no-pager")
    assert "rabbit-password" not in journal
    assert "other-password" not in journal


def test_memcached_stores(node: Node) -> None:
    with socket.create_connection((node.spec.network.container, 11211), timeout=10) as connection:
        connection.sendall(b"set key 0 60 5\r\nvalue\r\nget key\r\n")
        answer = b""
        while not answer.endswith(b"END\r\n"):
            answer += connection.recv(256)
        assert answer == b"STORED\r\nVALUE key 0 5\r\nvalue\r\nEND\r\n"


def log_in(node: Node, user: str, password: str, database: str) -> str:
    """Return what MariaDB says to an account that comes over the network."""
    host = f"--host={node.spec.network.container}"
    account = [f"--user={user}", f"--password={password}"]
    return node.run("mariadb", host, *account, database, "-Ne", "SELECT DATABASE()", check=False)


def test_databases_and_accounts(node: Node) -> None:
    assert log_in(node, "glance", "it's a \\ password", "glance") == "glance"
    assert log_in(node, "nova", "other-password", "nova_api") == "nova_api"
    assert log_in(node, "nova", "other-password", "nova") == "nova"
    assert log_in(node, "nova", "other-password", "glance") == ""
    assert log_in(node, "glance", "wrong", "glance") == ""


def test_message_bus_account(node: Node) -> None:
    users = node.run("rabbitmqctl", "--quiet", "--formatter", "json", "list_users")
    assert [user["user"] for user in json.loads(users)] == ["openstack"]
    node.run("rabbitmqctl", "--quiet", "authenticate_user", "openstack", "rabbit-password")
    assert "rabbit@localhost" in node.run("rabbitmqctl", "--quiet", "status")


def test_services_listen_on_the_service_address_alone(node: Node) -> None:
    local = {line.split()[3] for line in node.run("ss", "-ltnH").splitlines()}
    assert {f"{NETWORK.container}:{port}" for port in (3306, 5672, 11211)} <= local
    assert "127.0.0.1:4369" in local
    everywhere = {each for each in local if each.startswith(("0.0.0.0", "*", "[::]"))}
    assert everywhere == {"0.0.0.0:22", "[::]:22"}


def test_a_second_refresh_changes_nothing(node: Node) -> None:
    before = node.processes()
    node.run("os-collect-config", "--force")
    node.wait_for(lambda report: report["state"] == "applied")
    assert node.processes() == before


def test_a_changed_key_restarts_only_who_reads_it(node: Node) -> None:
    before = node.processes()
    node.metadata["memcached"]["memory_mb"] = 32
    assert node.apply()["state"] == "applied"
    after = node.processes()
    assert after["memcached"] != before["memcached"]
    assert {**after, "memcached": ""} == {**before, "memcached": ""}


def test_changed_passwords_need_no_restart(node: Node) -> None:
    before = node.processes()
    node.metadata["mariadb"]["databases"][0]["password"] = "new-database-password"
    node.metadata["rabbit"]["password"] = "new-rabbit-password"
    assert node.apply()["state"] == "applied"
    assert log_in(node, "glance", "new-database-password", "glance") == "glance"
    assert log_in(node, "glance", "it's a \\ password", "glance") == ""
    node.run("rabbitmqctl", "--quiet", "authenticate_user", "openstack", "new-rabbit-password")
    assert node.processes() == before


def test_a_failed_script_is_reported_and_repaired(node: Node) -> None:
    script = node.file(f"{SCRIPTS}/12-broken")
    script.write_text("#!/bin/sh\necho this is why: new-rabbit-password\nexit 3\n")
    script.chmod(0o755)
    node.metadata["memcached"]["memory_mb"] = 48
    report = node.apply()
    assert report["state"] == "failed"
    assert report["script"] == "post-configure.d/12-broken"
    assert report["log"] == ["this is why: ***"]
    # os-collect-config tries again by itself.
    script.unlink()
    node.wait_for(lambda report: report["state"] == "applied")


def test_a_reboot_applies_again(node: Node) -> None:
    before = container.refresh_state(node.spec)["time"]
    container.stop(node.spec)
    container.start(node.spec)
    report = node.wait_for(lambda report: report["state"] == "applied" and report["time"] != before)
    assert report["state"] == "applied"
    assert node.run("systemctl", "is-system-running", "--wait", check=False) == "running"
    # Nothing held it up.
    left = node.run("journalctl", "--no-pager", "--grep=Processes still around", check=False)
    assert "Processes still around" not in left
    assert log_in(node, "nova", "other-password", "nova") == "nova"
