# SPDX-License-Identifier: Apache-2.0
import json
import os
import subprocess
from pathlib import Path

import pytest

from altostratus import hypervisors
from altostratus.process import CommandError
from imagebuild import formats
from imagebuild.formats import ext4
from imagebuild.packages import list_packages

STATUS = """\
Package: keystone
Status: install ok installed
Architecture: all
Version: 2:22.0.2-0+deb12u1
Maintainer: x
Description: x

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1
Maintainer: x
Description: x

Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.20)
Version: 3.0.22
Maintainer: x
Description: x
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    (directory / "etc").mkdir(parents=True)
    (directory / "etc" / "shadow").write_text("secret")
    (directory / "etc" / "shadow").chmod(0o640)
    (directory / "etc" / "link").symlink_to("shadow")
    for number in range(3000):
        (directory / "etc" / f"small-{number}").touch()
    (directory / "big").write_bytes(os.urandom(20 * ext4.MIB))
    return directory


def debugfs(image: Path, request: str) -> str:
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    command = ["debugfs", "-R", request, image]
    return subprocess.run(command, env={"PATH": path}, capture_output=True, text=True).stdout


def test_ext4_holds_the_tree_and_has_room(root: Path, tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    formats.write_ext4(root, image, "key")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run(["e2fsck", "-fn", image], env={"PATH": path}, check=True, capture_output=True)
    assert debugfs(image, "cat /etc/shadow") == "secret"
    assert "Mode:  0640" in debugfs(image, "stat /etc/shadow")
    assert 'Fast link dest: "shadow"' in debugfs(image, "stat /etc/link")
    superblock = debugfs(image, "show_super_stats -h")
    assert "has_journal" not in superblock
    facts = dict(line.split(":", 1) for line in superblock.splitlines() if ":" in line)
    assert facts["Filesystem volume name"].strip() == ext4.LABEL
    assert int(facts["Free blocks"]) * 4096 > ext4.SPARE // 2
    assert int(facts["Free inodes"]) > 3000
    # Sparse: free space takes no room on this disk.
    assert image.stat().st_blocks * 512 < image.stat().st_size - ext4.SPARE // 2


def test_identity_follows_the_key(root: Path, tmp_path: Path) -> None:
    images = []
    for name, key in (("a", "one"), ("b", "one"), ("c", "two")):
        formats.write_ext4(root, tmp_path / name, key)
        images.append(debugfs(tmp_path / name, "show_super_stats -h").split("UUID:")[1].split()[0])
    assert images[0] == images[1] != images[2]


def test_archive_comes_back_without_terminals(root: Path, tmp_path: Path) -> None:
    (root / "dev" / "pts").mkdir(parents=True)
    (root / "dev" / "pts" / "ptmx").touch()
    subprocess.run(["tar", "-C", root, "-cf", tmp_path / "root.tar", "."], check=True)
    formats.unpack_root(tmp_path / "root.tar", tmp_path / "again")
    names = {path.name for path in (tmp_path / "again").iterdir()}
    assert names == {"etc", "big", "dev", "proc", "sys"}
    assert list((tmp_path / "again" / "dev" / "pts").iterdir()) == []
    assert (tmp_path / "again" / "etc" / "shadow").stat().st_mode & 0o777 == 0o640


def test_damaged_archive_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_text("not an archive")
    with pytest.raises(CommandError, match="tar"):
        formats.unpack_root(tmp_path / "root.tar", tmp_path / "again")


def test_every_layout_has_a_writer() -> None:
    assert set(formats.WRITERS) == {row.layout for row in hypervisors.HYPERVISORS.values()}


def test_package_list_names_what_is_installed(tmp_path: Path) -> None:
    (tmp_path / "var/lib/dpkg").mkdir(parents=True)
    (tmp_path / "var/lib/dpkg/status").write_text(STATUS)
    metadata = tmp_path / "opt/agents/lib/python3.11/site-packages/os_x-1.0.dist-info/METADATA"
    metadata.parent.mkdir(parents=True)
    metadata.write_text("Metadata-Version: 2.1\nName: os-x\nVersion: 1.0\n\nText\n")
    keystone, ssl, agent = list_packages(tmp_path)
    assert (keystone["type"], keystone["name"]) == ("deb", "keystone")
    assert keystone["version"] == "2:22.0.2-0+deb12u1"
    assert (ssl["source"], ssl["source_version"]) == ("openssl", "3.0.20")
    assert agent == {
        "type": "pypi",
        "name": "os-x",
        "version": "1.0",
        "path": "/opt/agents/lib/python3.11/site-packages",
    }
    json.dumps([keystone, ssl, agent])


def test_no_package_database_no_packages(tmp_path: Path) -> None:
    assert list_packages(tmp_path) == []
