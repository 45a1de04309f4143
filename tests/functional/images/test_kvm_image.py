# SPDX-License-Identifier: Apache-2.0
"""The image of kvm boots by itself; nothing of a machine is in it, nor in a partition for ironic.

Ironic's images boot where Ironic deploys them: test_mixed_cloud.py. QEMU emulates: a /dev/kvm that
is there need not work.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from machine import Machine

from imagebuild.formats import disk

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def images(scratch: Path) -> Path:
    """The directory with both images and their manifest."""
    common = {"role": "memcached", "release": "bookworm", "elements": ["memcached"]}
    wanted = [
        {"name": "test-memcached-kvm", "hypervisor": "kvm", **common},
        {"name": "test-memcached-ironic", "hypervisor": "ironic", "partition": True, **common},
    ]
    listed, output = scratch / "machines.yaml", scratch / "machines"
    listed.write_text(yaml.safe_dump({"images": wanted}))
    command = [sys.executable, "-m", "imagebuild.build", "-c", str(listed), "-o", str(output)]
    subprocess.run(command, check=True)
    return output


def record(images: Path, hypervisor: str) -> dict[str, Any]:
    listed = json.loads((images / "manifest.json").read_text())["images"]
    (found,) = (one for one in listed if one["hypervisor"] == hypervisor)
    return dict(found)


@pytest.fixture(scope="module")
def machine(images: Path, scratch: Path) -> Iterator[Machine]:
    """The booted image of kvm."""
    booted = Machine(images / record(images, "kvm")["file"], scratch / "machine")
    yield booted
    booted.stop()


@pytest.mark.parametrize("hypervisor", ["kvm", "ironic"])
def test_nothing_of_a_machine_is_in_the_image(images: Path, scratch: Path, hypervisor: str) -> None:
    raw = scratch / f"{hypervisor}.raw"
    image = images / record(images, hypervisor)["file"]
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    offset = disk.PARTITION if hypervisor == "kvm" else 0

    def content(path: str) -> str | None:
        command = ["debugfs", "-R", f"cat {path}", f"{raw}?offset={offset}"]
        done = subprocess.run(command, capture_output=True, text=True)
        return None if "File not found" in done.stderr else done.stdout

    assert content("/etc/machine-id") == ""
    assert content("/etc/ssh/ssh_host_ed25519_key") is None
    assert content("/etc/dib-manifests/dib_environment") is None
    assert content("/var/lib/systemd/random-seed") is None
    shadow = content("/etc/shadow") or ""
    assert "root:" in shadow
    for line in shadow.splitlines():
        name, password = line.split(":")[:2]
        assert password.startswith(("!", "*")), f"{name} can log in with a password"
    raw.unlink()


def test_boots_without_a_failed_unit(machine: Machine) -> None:
    state = machine.run("systemctl is-system-running --wait", check=False)
    assert state == "running", machine.run("systemctl --failed; journalctl -b -p err --no-pager")
    assert "ordering cycle" not in machine.run("sudo journalctl -b --no-pager")
    # For a person who compares: benchmarks measure.
    print(machine.run("systemd-analyze time"))


def test_root_fills_the_disk(machine: Machine) -> None:
    assert machine.run("findmnt -no FSTYPE /") == "ext4"
    size = int(machine.run("df --output=size -B1M / | tail -1"))
    assert size > 3800
    assert "has_journal" in machine.run("sudo /sbin/dumpe2fs -h $(findmnt -no SOURCE /) 2>&1")


def test_cloud_init_did_what_the_config_drive_told(machine: Machine) -> None:
    status = json.loads(machine.run("cat /run/cloud-init/status.json"))["v1"]
    for stage in ("init-local", "init", "modules-final"):
        assert status[stage]["finished"], stage
        assert not status[stage]["errors"], stage
    assert machine.run("hostname") == "node"
    assert machine.run("sudo -n id -un") == "root"
    machine.run("test -e /run/user-data-ran")


def test_sshd_has_a_key_of_its_own(machine: Machine) -> None:
    assert "ED25519" in machine.run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub")
    assert "passwordauthentication no" in machine.run("sudo /sbin/sshd -T")
    assert len(machine.run("cat /etc/machine-id")) == 32


def test_agents_wait_for_metadata(machine: Machine) -> None:
    report = "/var/lib/altostratus/refresh.json"
    machine.run(f"for i in $(seq 60); do [ -e {report} ] && break; sleep 2; done")
    assert json.loads(machine.run(f"cat {report}"))["state"] in ("starting", "waiting")


def test_console_shows_kernel_services_and_login(machine: Machine) -> None:
    text = machine.console.read_text(errors="replace")
    assert "Linux version" in text
    assert "Network is Online" in text
    assert "node login:" in text
