# SPDX-License-Identifier: Apache-2.0
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from fakedaemon import FakeDaemon, write_archive
from oslo_concurrency import lockutils

from novadrivers.docker import snapshots
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
    assert daemon.tags == {tag("g1"): loaded}, "not the archive's own name"
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["g1.used"]
    assert (tmp_path / "cache").stat().st_mode & 0o777 == 0o700, "downloads have secrets"


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_daemon_gets_the_archive_under_no_other_name(
    daemon: FakeDaemon, cache: ImageCache, mode: str
) -> None:
    assert cache.find("g1") is None
    loaded = cache.ensure("g1", fetch(tags=["demo/image:1", "nova-glance/g2:latest"], mode=mode))
    assert cache.find("g1") == loaded
    assert list(daemon.loaded) == ["c.json", "layer.tar", "manifest.json"]
    assert daemon.loaded["layer.tar"] == bytes(range(256)) * 9
    assert json.loads(daemon.loaded["manifest.json"]) == [
        {
            "Config": "c.json",
            "RepoTags": ["docker.io/nova-glance/g1:latest"],
            "Layers": ["layer.tar"],
        }
    ]


def test_other_images_keep_their_names(daemon: FakeDaemon, cache: ImageCache) -> None:
    daemon.add_image("sha256:other")
    daemon.tags["demo/image:1"] = "sha256:other"
    cache.ensure("g1", fetch(tags=["demo/image:1"]))
    assert daemon.tags["demo/image:1"] == "sha256:other"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"images": 2}, "holds 2 images"),
        ({"images": 0}, "holds 0 images"),
        ({"architecture": "arm64"}, "for arm64"),
        ({"system": "windows"}, "for windows"),
    ],
)
def test_unusable_archives_are_refused_and_leave_nothing(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path, content: Any, reason: str
) -> None:
    with pytest.raises(UnusableImage, match=reason):
        cache.ensure("g1", fetch(**content))
    assert not daemon.tags
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.parametrize("key", ["error", "message"])
def test_daemon_error_is_the_reason(cache: ImageCache, daemon: FakeDaemon, key: str) -> None:
    daemon.load_image = lambda file: iter([{key: "no space left on device\n"}])  # type: ignore[method-assign]
    with pytest.raises(UnusableImage, match="no space left on device$"):
        cache.ensure("g1", fetch())


def test_daemon_that_loads_nothing_says_so(cache: ImageCache, daemon: FakeDaemon) -> None:
    daemon.load_image = lambda file: iter([])  # type: ignore[method-assign]
    with pytest.raises(UnusableImage, match="loaded no image"):
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


def test_image_that_was_just_given_out_does_not_expire(
    cache: ImageCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its age is read under the lock."""
    cache.ensure("g1", fetch())
    os.utime(tmp_path / "cache" / "g1.used", (0, 0))
    lock = lockutils.lock

    def given_out_first(name: str) -> Any:
        monkeypatch.setattr(lockutils, "lock", lock)
        cache.ensure("g1", refuse_to_fetch)
        return lock(name)

    monkeypatch.setattr(lockutils, "lock", given_out_first)
    assert cache.expire(set(), 500) == []


def commit(daemon: FakeDaemon, name: str) -> None:
    daemon.commit(f"nova-{name}", f"nova-snapshot/{name}", "latest")


def test_leftovers_of_a_killed_process_go(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path
) -> None:
    cache.ensure("g1", fetch())
    for name in ("g2.tar", "snapshot-s1.tar"):
        (tmp_path / "cache" / name).write_bytes(b"half")
    commit(daemon, "s1")
    cache.clean()
    assert set(daemon.tags) == {tag("g1")}
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["g1.used"]


def test_snapshot_that_the_daemon_finished_alone_goes(
    daemon: FakeDaemon, cache: ImageCache, tmp_path: Path
) -> None:
    cache.clean()
    commit(daemon, "late")
    with snapshots.exported(daemon, "nova-u1", "s1", tmp_path / "cache"):
        cache.drop_snapshots()
        assert set(daemon.tags) == {tag("s1", "nova-snapshot")}, "this one is under way"


def test_image_that_is_in_use_does_not_keep_the_driver_from_its_start(
    daemon: FakeDaemon, cache: ImageCache
) -> None:
    for name in ("s1", "s2"):
        commit(daemon, name)
    daemon.create_container("sha256:nova-s1", "somebody's")
    cache.clean()
    assert set(daemon.tags) == {tag("s1", "nova-snapshot")}


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
