# SPDX-License-Identifier: Apache-2.0
"""An instance's address is awaited, and public ports are passed on, by the scripts themselves."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from altostratus.datafiles import elements_path

LIBRARY = elements_path() / "os-config-agents/agents/usr/local/lib/altostratus"
SCRIPTS = elements_path() / "os-config-hooks/os-refresh-config/post-configure.d"
SYSTEMCTL = """#!/bin/bash
echo "$*" >> {calls}
case "$*" in
    *is-enabled*) exit 1 ;;
    *is-active*) [ -e "{active}-${{@: -1}}" ] ;;
    *NeedDaemonReload*) echo no ;;
    cat*) cat {units}/"${{@: -1}}".d/* ;;
    "start "*) touch "{active}-$2" ;;
esac
"""


class Machine:
    """A directory with units, the list of public ports, and a systemctl that writes down calls."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.units, self.ports, self.log = path / "units", path / "public", path / "calls"
        self.units.mkdir()
        (path / "bin").mkdir()
        systemctl = path / "bin/systemctl"
        words = {"calls": self.log, "units": self.units, "active": path / "active"}
        systemctl.write_text(SYSTEMCTL.format(**words))
        systemctl.chmod(0o755)

    def run(self, name: str, **metadata: Any) -> subprocess.CompletedProcess[str]:
        """Run a script with its paths below this directory."""
        self.log.unlink(missing_ok=True)
        (self.path / "metadata.json").write_text(json.dumps(metadata))
        text = (SCRIPTS / name).read_text()
        for inside, outside in (
            ("/etc/systemd/system", self.units),
            ("/usr/share/altostratus/public", self.ports),
            ("/usr/local/lib/altostratus", LIBRARY),
        ):
            text = text.replace(inside, str(outside))
        environment = {
            **os.environ,
            "PATH": f"{self.path}/bin:/usr/bin:/bin",
            "REFRESH_LIB": str(LIBRARY),
            "REFRESH_STATE": str(self.path / "state"),
            "REFRESH_METADATA": str(self.path / "metadata.json"),
        }
        command = ["bash", "-c", text]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def pass_on(self, service: str, public: str | None, **more: Any) -> list[str]:
        """Run 90-public-ports, and return the calls of systemctl."""
        instance = {"service_address": service} | ({"public_address": public} if public else {})
        done = self.run("90-public-ports", instance=instance, **more)
        assert done.returncode == 0, done.stderr
        return self.log.read_text().splitlines() if self.log.exists() else []

    def files(self) -> dict[str, str]:
        found = self.units.rglob("*.conf")
        return {str(path.relative_to(self.units)): path.read_text() for path in found}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_port_is_passed_on_from_the_public_address(machine: Machine) -> None:
    machine.ports.write_text("9292\nregistry.port\n")
    calls = machine.pass_on("172.16.2.9", "192.168.24.9", registry={"port": 8787})
    for port in (9292, 8787):
        assert f"start public@{port}.socket" in calls
        assert f"--quiet --no-reload add-wants multi-user.target public@{port}.socket" in calls
    files = machine.files()
    assert files["public@9292.socket.d/address.conf"] == (
        "[Socket]\nListenStream=192.168.24.9:9292\n"
    )
    assert files["public@8787.service.d/address.conf"] == (
        "[Service]\nEnvironment=ADDRESS=172.16.2.9\n"
    )


def test_a_second_time_nothing_changes(machine: Machine) -> None:
    machine.ports.write_text("9292\n")
    machine.pass_on("172.16.2.9", "192.168.24.9")
    before = machine.files()
    calls = machine.pass_on("172.16.2.9", "192.168.24.9")
    assert machine.files() == before
    assert not [call for call in calls if "start" in call.split()[0] or "reload" in call.split()]


def test_another_address_takes_effect(machine: Machine) -> None:
    machine.ports.write_text("9292\n")
    machine.pass_on("172.16.2.9", "192.168.24.9")
    calls = machine.pass_on("172.16.2.7", "192.168.24.9")
    assert "daemon-reload" in calls
    assert "restart public@9292.socket" in calls
    assert "ADDRESS=172.16.2.7" in machine.files()["public@9292.service.d/address.conf"]


@pytest.mark.parametrize("public", ["192.168.24.1", None])
def test_one_network_needs_nothing(public: str | None, machine: Machine) -> None:
    machine.ports.write_text("9292\n")
    assert machine.pass_on("192.168.24.1", public) == []
    assert machine.files() == {}


def test_what_is_no_longer_public_ends(machine: Machine) -> None:
    machine.ports.write_text("9292\n5000\n")
    machine.pass_on("172.16.2.9", "192.168.24.9")
    machine.ports.write_text("5000\n")
    calls = machine.pass_on("172.16.2.9", "192.168.24.9")
    assert "stop public@9292.socket" in calls
    assert {name.partition(".")[0] for name in machine.files()} == {"public@5000"}


def test_the_service_address_is_awaited(machine: Machine) -> None:
    done = machine.run("06-service-address", instance={"service_address": "127.0.0.1"})
    assert (done.returncode, done.stderr) == (0, "")
    assert machine.run("06-service-address", instance={"name": "x"}).returncode == 0


def test_an_address_that_does_not_come_is_named(machine: Machine) -> None:
    script = (SCRIPTS / "06-service-address").read_text()
    assert " 120 " in script
    (machine.path / "bin/sleep").write_text("#!/bin/sh\nexit 1\n")
    (machine.path / "bin/sleep").chmod(0o755)
    done = machine.run("06-service-address", instance={"service_address": "192.0.2.1"})
    assert done.returncode == 1
    assert "waiting for this instance's address 192.0.2.1" in done.stderr


def test_no_unit_insists_on_what_docker_instances_cannot_have() -> None:
    """systemd leaves out sandboxing that needs mounts, but not with these (exec_context, 252)."""
    insisting = ("DynamicUser=", "RootDirectory=", "RootImage=", "BindPaths=", "PrivateUsers=")
    found = [
        f"{path}: {line}"
        for path in elements_path().glob("*/systemd/**/*")
        if path.is_file()
        for line in path.read_text().splitlines()
        if line.startswith(insisting)
    ]
    assert not found
