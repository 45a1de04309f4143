# SPDX-License-Identifier: Apache-2.0
"""Files that are not archives, and archives that would exhaust the node's memory."""

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from fakedaemon import write_archive, write_tar

from novadrivers.docker import archive
from novadrivers.docker.errors import UnusableImage

IMAGE = {"Config": "c.json", "RepoTags": None, "Layers": ["layer.tar"]}
DEEP = b"[" * 100_000 + b"]" * 100_000


def files(manifest: Any = None, configuration: bytes = b"{}", **image: Any) -> dict[str, bytes]:
    """Return an archive's files; ``image`` overrides fields of a valid image."""
    described = [{**IMAGE, **image}] if manifest is None else manifest
    text = described if isinstance(described, bytes) else json.dumps(described).encode()
    return {"c.json": configuration, "manifest.json": text}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({}, "manifest.json is not a file"),
        ({"manifest.json": b"[{}]"}, "Config is None"),
        (files(manifest=b"{"), "manifest.json: Expecting"),
        (files(manifest=b"\xff"), "manifest.json: .* decode"),
        (files(manifest=5), "manifest.json is no list"),
        (files(manifest={"Config": "c.json"}), "manifest.json is no list"),
        (files(manifest=[5]), "describes no image"),
        (files(manifest=DEEP), "manifest.json is too deep"),
        (files(Config=5), "Config is 5"),
        (files(Config="other.json"), "other.json is not a file"),
        (files(RepoTags=5), "RepoTags is 5"),
        (files(RepoTags=[5]), r"RepoTags is \[5\]"),
        (files(Layers="layer.tar"), "Layers is 'layer.tar'"),
        (files(configuration=b"text"), "c.json: Expecting"),
        (files(configuration=b"[]"), "configuration is no object"),
        (files(configuration=DEEP), "c.json is too deep"),
        (files(configuration=b'{"architecture": 5}'), "architecture or os is no text"),
        (
            files(configuration=b" " * archive.MAX_METADATA_BYTES + b"{}"),
            "c.json has 4194306 bytes",
        ),
        (files(configuration=b" " * (archive.MAX_METADATA_BYTES - 1000)), "are no layers"),
    ],
)
def test_what_is_no_docker_archive(tmp_path: Path, content: Any, reason: str) -> None:
    write_tar(tmp_path / "file", content)
    with pytest.raises(UnusableImage, match=f"no docker archive.*{reason}"):
        archive.read(tmp_path / "file")


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 512])
def test_what_is_no_tar_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnusableImage, match="no docker archive"):
        archive.read(tmp_path / "file")


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize(
    "damage", [lambda data: data[: len(data) // 2], lambda data: data[:99] + b"?" * 99]
)
def test_damaged_compression(tmp_path: Path, mode: str, damage: Any) -> None:
    write_archive(tmp_path / "file", mode=mode)
    (tmp_path / "file").write_bytes(damage((tmp_path / "file").read_bytes()))
    with pytest.raises(UnusableImage, match="damaged"):
        archive.read(tmp_path / "file")


@pytest.mark.parametrize("mark", list(archive.COMPRESSED))
def test_beginning_of_a_compressed_file_alone(tmp_path: Path, mark: bytes) -> None:
    (tmp_path / "file").write_bytes(mark + b" broken")
    with pytest.raises(UnusableImage, match="damaged"):
        archive.read(tmp_path / "file")


def test_archive_that_is_cut_off(tmp_path: Path) -> None:
    write_tar(tmp_path / "file", {**files(), "layer.tar": bytes(10_000)})
    whole = (tmp_path / "file").read_bytes()
    (tmp_path / "file").write_bytes(whole[:5_000])
    with pytest.raises(UnusableImage, match="not even a tar file"):
        archive.read(tmp_path / "file")


def bomb(kind: bytes, size: int) -> bytes:
    """A tar header that announces ``size`` bytes, most of which are missing."""
    entry = tarfile.TarInfo("manifest.json")
    entry.type, entry.size = kind, size
    return entry.tobuf(tarfile.GNU_FORMAT) + bytes(2**20)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
@pytest.mark.parametrize("size", [archive.MAX_METADATA_BYTES + 1, 2**33, 2**70])
def test_header_that_claims_memory(tmp_path: Path, kind: bytes, size: int) -> None:
    with gzip.open(tmp_path / "file", "wb") as file:
        file.write(bomb(kind, size))
    with pytest.raises(UnusableImage, match="are no layers"):
        archive.read(tmp_path / "file")


@pytest.mark.parametrize("size", [2**33, 2**62, 2**70, -(2**20)])
def test_file_that_claims_to_be_large(tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(bomb(tarfile.REGTYPE, size))
    with pytest.raises(UnusableImage, match="no docker archive|damaged"):
        archive.read(tmp_path / "file")


def test_endless_headers(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "file", "wb") as file:
        file.write(tarfile.TarInfo("empty").tobuf() * 20_000)
    with pytest.raises(UnusableImage, match="are no layers"):
        archive.read(tmp_path / "file")


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_both_manifests_are_handed_on_right(tmp_path: Path, form: int) -> None:
    long = "d" * 200 + "/layer.tar"
    content = {**files(Layers=[long]), long: b"layer", "./manifest.json": b"[]", "end": b"."}
    with tarfile.open(tmp_path / "file", "w", format=form) as tar:
        for name, data in content.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    data = b"".join(archive.read(tmp_path / "file").renamed("new/name:1"))
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]
    manifest = json.loads(found.pop("manifest.json"))
    assert manifest == [{"Config": "c.json", "RepoTags": ["new/name:1"], "Layers": [long]}]
    assert found == {"c.json": b"{}", long: b"layer", "end": b"."}


def test_what_changed_since_it_was_read_is_said(tmp_path: Path) -> None:
    write_tar(tmp_path / "file", {**files(), "layer.tar": bytes(10_000)})
    content = archive.read(tmp_path / "file")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UnusableImage, match="truncated"):
        list(content.renamed("new"))
