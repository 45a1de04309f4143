# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from altostratus import files
from imagebuild.cache import IMAGES, LAYERS, Cache, default_root
from imagebuild.recipes import Recipe


def recipe(name: str = "c-db-lxc", **digests: str) -> Recipe:
    return Recipe(name, "bookworm", (), {}, {}, (), digests, {}, "amd64")


def made(tmp_path: Path, text: str = "image") -> Path:
    path = tmp_path / "made.raw"
    path.write_text(text)
    return path


def test_what_is_stored_is_found_by_its_key(cache: Cache, tmp_path: Path) -> None:
    assert cache.find(IMAGES, recipe(a="1")) is None
    stored = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {"sha256": "abc"})
    found = cache.find(IMAGES, recipe(a="1"))
    assert found == stored
    assert found.path.read_text() == "image"
    assert found.record["sha256"] == "abc"
    assert found.path.suffix == ".raw"
    assert cache.find(IMAGES, recipe(a="2")) is None
    assert cache.find(LAYERS, recipe(a="1")) is None
    assert not (tmp_path / "made.raw").exists()


def test_an_image_is_found_whatever_its_name(cache: Cache, tmp_path: Path) -> None:
    stored = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {})
    other = recipe("another-db-lxc", a="1")
    assert cache.find(IMAGES, other) == stored
    own = cache.store(IMAGES, other, made(tmp_path), {})
    assert cache.find(IMAGES, other) == own
    assert cache.find(IMAGES, recipe(a="1")) == stored
    own.path.unlink()
    assert cache.find(IMAGES, other) == stored


def test_a_file_that_was_written_to_is_not_used(cache: Cache, tmp_path: Path) -> None:
    entry = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {})
    entry.path.chmod(0o644)
    entry.path.write_text("imagE")
    os.utime(entry.path, ns=(1, entry.record["mtime_ns"] + 1))
    assert cache.find(IMAGES, recipe(a="1")) is None
    entry.path.unlink()
    assert cache.find(IMAGES, recipe(a="1")) is None


def damage(path: Path) -> None:
    """Flip a bit; size and time stay, as when a disk does it."""
    before = path.stat()
    path.chmod(0o644)
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("kind", [IMAGES, LAYERS])
def test_a_flipped_bit_is_found_when_the_entry_is_used(
    cache: Cache, tmp_path: Path, kind: str
) -> None:
    entry = cache.store(kind, recipe(a="1"), made(tmp_path), {})
    said: list[str] = []
    assert cache.take(kind, recipe(a="1"), said.append) == entry
    damage(entry.path)
    assert cache.take(kind, recipe(a="1"), said.append) is None
    assert len(said) == 1 and f"{entry.path} is damaged" in said[0]
    # It is made anew.
    assert cache.find(kind, recipe(a="1")) is None


def test_boot_files_are_checked_too(cache: Cache, tmp_path: Path) -> None:
    kernel = tmp_path / "made.kernel"
    kernel.write_text("kernel")
    digests = files.digests(kernel, "sha256", "sha512")
    extra = {"kernel": (kernel, digests)}
    entry = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {}, extra)
    assert cache.take(IMAGES, recipe(a="1"), print) == entry
    damage(entry.path.with_suffix(".kernel"))
    assert cache.take(IMAGES, recipe(a="1"), lambda line: None) is None


def test_another_entry_of_the_key_takes_its_place(cache: Cache, tmp_path: Path) -> None:
    other = cache.store(IMAGES, recipe("other", a="1"), made(tmp_path), {})
    own = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {})
    damage(own.path)
    assert cache.take(IMAGES, recipe(a="1"), lambda line: None) == other


def test_a_file_without_record_does_not_exist(cache: Cache, tmp_path: Path) -> None:
    entry = cache.store(IMAGES, recipe(a="1"), made(tmp_path), {})
    record = entry.path.with_suffix(".json")
    record.write_text(record.read_text()[:20])
    assert cache.find(IMAGES, recipe(a="1")) is None
    assert cache.last_inputs(IMAGES, "c-db-lxc") is None


def test_last_inputs_are_those_of_the_newest(cache: Cache, tmp_path: Path) -> None:
    assert cache.last_inputs(IMAGES, "c-db-lxc") is None
    for age, value in enumerate(["1", "2"]):
        entry = cache.store(IMAGES, recipe(a=value), made(tmp_path), {})
        os.utime(entry.path.with_suffix(".json"), (age, age))
    inputs = cache.last_inputs(IMAGES, "c-db-lxc")
    assert inputs == recipe(a="2").inputs
    assert inputs["a"] == "2"


def test_old_entries_go_and_locks_stay(cache: Cache, tmp_path: Path) -> None:
    with cache.lock(IMAGES, "c-db-lxc"):
        for age, value in enumerate(["1", "2", "3"]):
            entry = cache.store(IMAGES, recipe(a=value), made(tmp_path), {})
            os.utime(entry.path.with_suffix(".json"), (age, age))
        names = {path.name for path in entry.path.parent.iterdir()}
    kept = {recipe(a=value).key for value in "23"}
    assert names == {".lock", *(f"{key}{end}" for key in kept for end in (".raw", ".json"))}


def test_lock_is_exclusive(cache: Cache) -> None:
    with cache.lock(IMAGES, "a"), pytest.raises(BlockingIOError), cache.lock(IMAGES, "a"):
        pass


def test_root_is_chosen_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.delenv("ALTOSTRATUS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "altostratus"
