# SPDX-License-Identifier: Apache-2.0
"""Disks and partitions of a small root; whether one boots is a functional test."""

import json
import struct
import subprocess
from pathlib import Path

import pytest

from altostratus.errors import AltostratusError
from imagebuild import formats
from imagebuild.formats import disk

BOOT_CODE = b"\xeb" * 512
CORE = b"core" * 700


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    for path, content in (
        (disk.BOOT_CODE, BOOT_CODE),
        (disk.CORE, CORE),
        (Path("boot/vmlinuz-6.1"), b"kernel"),
        (Path("boot/initrd.img-6.1"), b"ramdisk"),
        (Path("etc/motd"), b"hello"),
    ):
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (directory / path).write_bytes(content)
    # As Debian writes it, or with the whole path: neither may lead outside.
    (directory / disk.KERNEL).symlink_to("vmlinuz-6.1")
    (directory / disk.RAMDISK).symlink_to("/boot/initrd.img-6.1")
    return directory


def raw(image: Path) -> Path:
    target = image.with_suffix(".raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, target], check=True)
    return target


def in_file_system(image: Path, request: str, offset: int = 0) -> str:
    command = ["/sbin/debugfs", "-R", request, f"{image}?offset={offset}"]
    return subprocess.run(command, capture_output=True, text=True).stdout


def test_disk_has_boot_code_core_and_one_active_partition(root: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    assert formats.write("kvm", root, image, "key", partition=False) == {}
    content = raw(image)
    with content.open("rb") as stream:
        head = stream.read(disk.PARTITION)
    assert head[:440] == BOOT_CODE[:440]
    assert head[512 : 512 + len(CORE)] == CORE
    assert not any(head[512 + len(CORE) :])
    assert head[510:512] == b"\x55\xaa"
    active, kind, start, sectors = struct.unpack("<B3xB3xII", head[446:462])
    assert (active, kind, start) == (0x80, 0x83, 2048)
    assert not any(head[462:510])
    assert (start + sectors) * 512 == content.stat().st_size
    assert in_file_system(content, "cat /etc/motd", disk.PARTITION) == "hello"
    assert "has_journal" in in_file_system(content, "stats -h", disk.PARTITION)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.qcow2", "image.raw", "root"]


def test_disk_is_compressed_by_zstd(root: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    disk.write_disk(root, image, "key")
    command = ["qemu-img", "info", "--output", "json", str(image)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert told["format"] == "qcow2"
    assert told["format-specific"]["data"]["compression-type"] == "zstd"
    assert image.stat().st_size < told["virtual-size"] / 10


def test_signature_follows_the_key() -> None:
    records = [disk.boot_record(BOOT_CODE, key, 2**30) for key in ("one", "one", "two")]
    assert {len(record) for record in records} == {512}
    assert records[0] == records[1] != records[2]


def test_partition_with_kernel_and_ramdisk(root: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    made = formats.write("ironic", root, image, "key", partition=True)
    contents = {name: path.read_bytes() for name, path in made.items()}
    assert contents == {"kernel": b"kernel", "ramdisk": b"ramdisk"}
    assert {path.parent for path in made.values()} == {tmp_path}
    assert in_file_system(raw(image), "cat /etc/motd") == "hello"


@pytest.mark.parametrize("missing", [disk.CORE, disk.KERNEL, Path("boot/initrd.img-6.1")])
def test_root_that_cannot_boot_is_refused(root: Path, tmp_path: Path, missing: Path) -> None:
    (root / missing).unlink()
    with pytest.raises(AltostratusError, match="the image cannot boot: it has no /"):
        disk.write_disk(root, tmp_path / "image.qcow2", "key")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["root"]


def test_core_that_reaches_into_the_partition_is_refused(root: Path, tmp_path: Path) -> None:
    (root / disk.CORE).write_bytes(bytes(disk.PARTITION))
    with pytest.raises(AltostratusError, match="boot loader does not fit"):
        disk.write_disk(root, tmp_path / "image.qcow2", "key")
