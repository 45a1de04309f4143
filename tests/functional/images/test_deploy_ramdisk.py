# SPDX-License-Identifier: Apache-2.0
"""The deploy ramdisk, built twice and booted under emulation: the agent starts and says so."""

import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebuild import cache

pytestmark = pytest.mark.gate

MIB = 2**20
# Seconds until the agent starts, on a loaded machine.
PATIENCE = 900.0
COMMAND_LINE = "console=ttyS0 nomodeset quiet ipa-insecure=1 ipa-api-url=http://10.0.2.2:6385"
# With content: programs know the words, too.
PRIVATE_KEY = re.compile(rb"^-----BEGIN [A-Z ]*PRIVATE KEY-----\n[\w+/=:, -]{30}", re.MULTILINE)
# What is made anew for each machine.
IDENTITIES = ("etc/hostname", "etc/iscsi", "etc/nvme/host*", "etc/ssh", "var/lib/dbus/machine-id")


def build(output: Path, *options: str, **env: str) -> Path:
    """Return ``output``, where ``build-images --deploy-ramdisk`` has put its files."""
    command = [sys.executable, "-m", "imagebuild.build", "--deploy-ramdisk", "-o", output]
    subprocess.run([*command, *options], env={**os.environ, **env}, check=True)
    return output


def recorded(output: Path) -> dict[str, dict[str, str]]:
    """Return the manifest's records by the images' names."""
    images = json.loads((output / "manifest.json").read_text())["images"]
    return {record["name"]: record for record in images}


def ingredients(output: Path) -> tuple[object, str]:
    """Return the packages that the ramdisk was made of, and the kernel."""
    inside = json.loads((output / "deploy-ramdisk.packages.json").read_text())
    return inside["packages"], recorded(output)["bm-deploy-kernel"]["kernel"]


@pytest.fixture(scope="module")
def ramdisk(scratch: Path) -> Path:
    """The output directory of ``build-images --deploy-ramdisk``."""
    return build(scratch / "deploy-ramdisk")


@pytest.fixture(scope="module")
def root(ramdisk: Path, scratch: Path) -> Iterator[Path]:
    """What the initramfs holds, as a directory."""
    directory = scratch / "deploy-ramdisk-root"
    directory.mkdir()
    archive = directory.with_suffix(".cpio")
    unpack = ["zstd", "-dq", ramdisk / "deploy-ramdisk.initramfs", "-o", archive]
    subprocess.run(unpack, check=True)
    extract = ["cpio", "--extract", "--quiet", "--no-absolute-filenames", "-I", archive]
    subprocess.run(extract, cwd=directory, check=True)
    archive.unlink()
    yield directory
    shutil.rmtree(directory)


def contents(root: Path) -> dict[Path, bytes]:
    """Return the regular files below ``root`` with what is in them."""
    paths = [Path(top, name) for top, _, names in os.walk(root) for name in names]
    # Of the whole machine, if a link were followed.
    files = [path for path in paths if path.is_file() and not path.is_symlink()]
    return {path.relative_to(root): path.read_bytes() for path in files}


def test_it_is_small_and_its_records_are_true(ramdisk: Path) -> None:
    records = recorded(ramdisk)
    assert set(records) == {"bm-deploy-kernel", "bm-deploy-ramdisk"}
    assert records["bm-deploy-ramdisk"]["size"] <= 70 * MIB
    for record in records.values():
        digest = subprocess.run(["sha256sum", ramdisk / record["file"]], capture_output=True)
        assert digest.stdout.decode().split()[0] == record["sha256"]


def test_it_holds_no_secret_and_no_name_of_a_machine(root: Path) -> None:
    assert [str(path) for path, data in contents(root).items() if PRIVATE_KEY.search(data)] == []
    assert (root / "etc/machine-id").read_bytes() == b""
    assert [path for pattern in IDENTITIES for path in root.glob(pattern)] == []
    assert list(root.glob("etc/*shadow*")) == []
    users = (root / "etc/passwd").read_text().splitlines()
    assert {user.split(":")[1] for user in users} <= {"x", "*"}


def test_it_knows_nothing_of_the_building_machine_and_the_day(root: Path, ramdisk: Path) -> None:
    built = datetime.datetime.fromisoformat(recorded(ramdisk)["bm-deploy-ramdisk"]["built"])
    traces = [f"{built:{form}}".encode() for form in ("%d %b %Y", "%Y-%m-%d")]
    # As the last change of a password.
    traces.append(b":%d:" % (built.date() - datetime.date(1970, 1, 1)).days)
    resolvers = Path("/etc/resolv.conf").read_bytes().splitlines()
    traces += [line for line in resolvers if line.startswith(b"nameserver")]
    for top in ("etc", "root", "var", "opt"):
        for path, data in contents(root / top).items():
            assert [trace for trace in traces if trace in data] == [], path


@pytest.mark.full
def test_the_same_packages_give_the_same_bytes(ramdisk: Path, scratch: Path) -> None:
    """Built from nothing but downloaded packages; the first may be out of the cache."""
    directory = scratch / "cache"
    directory.mkdir()
    (directory / "downloads").symlink_to(cache.default_root() / "downloads")
    anew = build(scratch / "anew", ALTOSTRATUS_CACHE=str(directory))
    if ingredients(ramdisk) != ingredients(anew):
        # The mirror has newer packages than when it was built.
        build(ramdisk, "--force")
    assert ingredients(ramdisk) == ingredients(anew)
    for name, record in recorded(anew).items():
        assert record["sha256"] == recorded(ramdisk)[name]["sha256"], name


@pytest.mark.full
def test_it_boots_to_the_agent(ramdisk: Path, scratch: Path) -> None:
    disk, console = scratch / "node.raw", scratch / "node.console"
    with disk.open("wb") as stream:
        stream.truncate(6 * 1024 * MIB)
    machine = ["qemu-system-x86_64", "-accel", "tcg,tb-size=96", "-machine", "pc", "-m", "1024"]
    machine += ["-cpu", "qemu64", "-smp", "2", "-display", "none", "-no-reboot"]
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
