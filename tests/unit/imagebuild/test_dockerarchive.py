# SPDX-License-Identifier: Apache-2.0
import hashlib
import io
import json
import os
import socket
import tarfile
from pathlib import Path
from typing import Any

import pytest

from imagebuild.formats import dockerarchive
from novadrivers.docker import archive


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "root"
    for name in ("etc", "dev", "tmp", f"long-{'x' * 120}"):
        (directory / name).mkdir(parents=True)
    (directory / "etc/shadow").write_text("secret")
    (directory / "etc/shadow").chmod(0o640)
    (directory / "etc/link").symlink_to("shadow")
    os.link(directory / "etc/shadow", directory / "etc/shadow-")
    (directory / "dev/left").touch()
    os.utime(directory / "etc/shadow", (1.5, 1.5))
    os.setxattr(directory / "etc/shadow", "user.binary", b"\x01\x00\xff")
    (directory / "big").write_bytes(os.urandom(3 * 2**20 + 7))
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(directory)
        listening.bind("socket")
        os.chdir(here)
    return directory


def written(root: Path, path: Path) -> dict[str, bytes]:
    dockerarchive.write_archive(root, path, "the-key")
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def test_the_archive_describes_its_one_layer(root: Path, tmp_path: Path) -> None:
    files = written(root, tmp_path / "image.tar")
    [image] = json.loads(files["manifest.json"])
    assert image["Layers"] == ["layer.tar"]
    assert image["RepoTags"] is None
    configuration: dict[str, Any] = json.loads(files[image["Config"]])
    digest = hashlib.sha256(files["layer.tar"]).hexdigest()
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert configuration["config"]["Cmd"] == ["/sbin/init"]
    assert configuration["config"]["StopSignal"] == "SIGRTMIN+3"
    assert configuration["config"]["Labels"] == {"org.altostratus.key": "the-key"}


def test_novas_driver_reads_it(root: Path, tmp_path: Path) -> None:
    files = written(root, tmp_path / "image.tar")
    described = archive.read(tmp_path / "image.tar")
    assert described.operating_system == "linux"
    assert described.configuration in files
    assert described.layers == ("layer.tar",)


def test_the_layer_is_the_root(root: Path, tmp_path: Path) -> None:
    files = written(root, tmp_path / "image.tar")
    with tarfile.open(fileobj=io.BytesIO(files["layer.tar"])) as layer:
        members = {member.name: member for member in layer}
        assert layer.extractfile("big").read() == (root / "big").read_bytes()  # type: ignore[union-attr]
    assert set(members) == {
        *("big", "dev", "etc", "etc/link", "etc/shadow", "etc/shadow-", "tmp"),
        f"long-{'x' * 120}",
    }
    assert members["etc/shadow"].mode == 0o640
    assert members["etc/shadow"].mtime == 1
    assert members["etc/shadow"].uname == ""
    value = members["etc/shadow"].pax_headers["SCHILY.xattr.user.binary"]
    assert value.encode("utf-8", "surrogateescape") == b"\x01\x00\xff"
    assert members["etc/shadow-"].islnk()
    assert members["etc/link"].linkname == "shadow"


def test_the_same_root_gives_the_same_bytes(root: Path, tmp_path: Path) -> None:
    written(root, tmp_path / "a.tar")
    os.utime(root / "big", ns=(1, (root / "big").stat().st_mtime_ns))
    written(root, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
