# SPDX-License-Identifier: Apache-2.0
"""The deploy ramdisk, built and booted under emulation: the agent starts and says so."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

MIB = 2**20
# Seconds until the agent starts, on a loaded machine.
PATIENCE = 400.0
COMMAND_LINE = "console=ttyS0 nomodeset quiet ipa-insecure=1 ipa-api-url=http://10.0.2.2:6385"


@pytest.fixture(scope="module")
def ramdisk(scratch: Path) -> Path:
    """The output directory of ``build-images --deploy-ramdisk``."""
    output = scratch / "deploy-ramdisk"
    build = [sys.executable, "-m", "imagebuild.build", "--deploy-ramdisk", "-o", output]
    subprocess.run(build, check=True)
    return output


def test_it_is_small_and_its_records_are_true(ramdisk: Path) -> None:
    records = {r["name"]: r for r in json.loads((ramdisk / "manifest.json").read_text())["images"]}
    assert set(records) == {"bm-deploy-kernel", "bm-deploy-ramdisk"}
    assert records["bm-deploy-ramdisk"]["size"] <= 70 * MIB
    for record in records.values():
        digest = subprocess.run(["sha256sum", ramdisk / record["file"]], capture_output=True)
        assert digest.stdout.decode().split()[0] == record["sha256"]


def test_it_boots_to_the_agent(ramdisk: Path, scratch: Path) -> None:
    disk, console = scratch / "node.raw", scratch / "node.console"
    with disk.open("wb") as stream:
        stream.truncate(6 * 1024 * MIB)
    machine = ["qemu-system-x86_64", "-accel", "tcg,tb-size=96", "-machine", "pc", "-m", "1024"]
    machine += ["-cpu", "Nehalem", "-smp", "2", "-display", "none", "-no-reboot"]
    machine += ["-kernel", ramdisk / "deploy-ramdisk.vmlinuz"]
    machine += ["-initrd", ramdisk / "deploy-ramdisk.initramfs", "-append", COMMAND_LINE]
    machine += ["-drive", f"file={disk},format=raw,if=virtio", "-serial", f"file:{console}"]
    machine += ["-netdev", "user,id=n", "-device", "virtio-net-pci,netdev=n,romfile="]
    machine += ["-object", "rng-random,id=r,filename=/dev/urandom", "-device", "virtio-rng,rng=r"]
    deadline = time.monotonic() + PATIENCE
    with subprocess.Popen(machine, stdin=subprocess.DEVNULL) as node:
        try:
            said = ""
            while "Starting ironic-python-agent version: 9.1.1" not in said:
                assert node.poll() is None, said
                assert time.monotonic() < deadline, said
                time.sleep(1)
                said = console.read_text(errors="replace") if console.exists() else ""
        finally:
            node.kill()
    # Its network card has an address before the agent starts.
    assert "10.0.2.15/24" in said
