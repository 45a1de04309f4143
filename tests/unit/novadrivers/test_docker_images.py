# SPDX-License-Identifier: Apache-2.0
import os
import time
from pathlib import Path
from typing import Any

import pytest
from fakedaemon import FakeDaemon, write_archive

from novadrivers.docker import archive, snapshots
from novadrivers.docker.errors import ImageTooBig, UnusableImage
from novadrivers.docker.images import ImageCache, tag


@pytest.fixture
def daemon() -> FakeDaemon:
    return FakeDaemon()


@pytest.fixture
def cache(daemon: FakeDaemon, tmp_path: Path) -> ImageCache:
    return ImageCache(daemon, tmp_path / "cache", "amd64")


def fetch(**content: Any) -> Any:
    return lambda path: write_archive(path, **content)


def refuse_to_fetch(path: Path) -> None:
    raise AssertionError(f"fetched {path}")


def test_image_is_loaded_once_and_its_file_goes(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path
) -> None:
    loaded = cache.ensure("g1", fetch(tags=["demo/image:1"]))
    assert cache.ensure("g1", refuse_to_fetch) == loaded
    assert daemon.tags == {tag("g1"): loaded}, "the archive's own tag is gone"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["g1.used"]


def test_image_without_tags_is_found_by_its_id(cache: ImageCache) -> None:
    assert cache.find("g1") is None
    loaded = cache.ensure("g1", fetch())
    assert cache.find("g1") == loaded


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"images": 2}, "holds 2 images"),
        ({"images": 0}, "holds 0 images"),
        ({"architecture": "arm64"}, "for arm64"),
        ({"system": "windows"}, "for windows"),
        ({"tags": ["nova-glance/g2:latest"]}, "reserved"),
        ({"tags": ["localhost/nova-snapshot/x:latest"]}, "reserved"),
    ],
)
def test_unusable_archives_are_refused_and_leave_nothing(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path, content: Any, reason: str
) -> None:
    with pytest.raises(UnusableImage, match=reason):
        cache.ensure("g1", fetch(**content))
    assert not daemon.tags
    assert not list((tmp_path / "cache").iterdir())


def test_tag_of_another_image_is_not_taken(daemon: FakeDaemon, cache: ImageCache) -> None:
    daemon.add_image("sha256:other")
    daemon.tags["demo/image:1"] = "sha256:other"
    with pytest.raises(UnusableImage, match="another image on this node"):
        cache.ensure("g1", fetch(tags=["demo/image:1"]))
    assert daemon.tags == {"demo/image:1": "sha256:other"}


def test_tag_that_the_image_has_already_stays(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path
) -> None:
    identity = write_archive(tmp_path / "g1.tar")
    daemon.add_image(identity)
    daemon.tags["demo/image:1"] = identity
    cache.ensure("g1", fetch(tags=["demo/image:1"]))
    assert set(daemon.tags) == {"demo/image:1", tag("g1")}


@pytest.mark.parametrize("content", [b"", b"text", b"\x1f\x8b broken"])
def test_other_files_are_no_archives(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UnusableImage, match="no docker archive"):
        archive.read(tmp_path / "file")


def test_daemon_error_is_the_reason(cache: ImageCache, daemon: FakeDaemon) -> None:
    daemon.load_image = lambda file: iter([{"error": "no space left on device\n"}])  # type: ignore[method-assign]
    with pytest.raises(UnusableImage, match="no space left on device$"):
        cache.ensure("g1", fetch())


def test_root_disk_must_hold_the_image(daemon: FakeDaemon, cache: ImageCache) -> None:
    daemon.add_image("sha256:big", size=2 * 2**30 + 1)
    cache.check_size("sha256:big", 3)
    cache.check_size("sha256:big", 0)
    with pytest.raises(ImageTooBig) as caught:
        cache.check_size("sha256:big", 2)
    assert (caught.value.needed, caught.value.given) == (2 * 2**30 + 1, 2 * 2**30)


def test_old_unused_images_expire(daemon: FakeDaemon, cache: ImageCache, tmp_path: Path) -> None:
    for name in ("old", "used", "young", "running"):
        cache.ensure(name, fetch())
        if name != "young":
            then = time.time() - 1000
            os.utime(tmp_path / "cache" / f"{name}.used", (then, then))
    daemon.create_container(cache.find("running") or "", "some")
    assert cache.expire({"used"}, 500) == ["old"]
    assert cache.find("old") is None
    assert all(cache.find(name) for name in ("used", "young", "running"))


def test_image_of_unknown_age_gets_its_time(cache: ImageCache, tmp_path: Path) -> None:
    cache.ensure("g1", fetch())
    (tmp_path / "cache" / "g1.used").unlink()
    assert cache.expire(set(), 500) == []
    assert cache.expire(set(), 0) == ["g1"]


def test_leftovers_of_a_killed_process_go(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path
) -> None:
    cache.ensure("g1", fetch())
    (tmp_path / "cache" / "g2.tar").write_bytes(b"half")
    daemon.tag(daemon.commit("nova-u1")["Id"], "nova-snapshot/s1", "latest")
    cache.clean()
    assert set(daemon.tags) == {tag("g1")}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["g1.used"]


def test_snapshot_leaves_neither_image_nor_file(daemon: FakeDaemon, tmp_path: Path) -> None:
    with snapshots.exported(daemon, "nova-u1", "s1", tmp_path / "cache") as file:
        assert file.read() == b"sha256:nova-u1"
    assert not daemon.tags
    assert not list((tmp_path / "cache").iterdir())


def test_failed_upload_leaves_nothing(daemon: FakeDaemon, tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="no Glance"),
        snapshots.exported(daemon, "nova-u1", "s1", tmp_path),
    ):
        raise OSError("no Glance")
    assert not daemon.tags
    assert not list(tmp_path.iterdir())
