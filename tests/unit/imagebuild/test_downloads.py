# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from imagebuild.downloads import ARCHIVES, download_slot, sweep


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.glob("*.deb")}


def test_slots_are_exclusive_and_share_the_pool(tmp_path: Path) -> None:
    with download_slot(tmp_path) as one, download_slot(tmp_path) as two:
        assert one != two
        (one / ARCHIVES / "a_1_amd64.deb").write_text("a")
    with download_slot(tmp_path) as one, download_slot(tmp_path) as two:
        assert names(one / ARCHIVES) == names(two / ARCHIVES) == {"a_1_amd64.deb"}


def test_downloads_of_a_failed_build_are_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), download_slot(tmp_path) as slot:
        (slot / ARCHIVES / "a_1_amd64.deb").write_text("a")
        raise ValueError("x")
    assert names(tmp_path / "pool") == {"a_1_amd64.deb"}


def test_pool_keeps_the_youngest_version_of_each_architecture(tmp_path: Path) -> None:
    with download_slot(tmp_path) as slot:
        for age, name in enumerate(["a_1_amd64", "a_1_arm64", "b_1_all", "a_2_amd64"]):
            (slot / ARCHIVES / f"{name}.deb").write_text(name)
            os.utime(slot / ARCHIVES / f"{name}.deb", (age, age))
    assert names(tmp_path / "pool") == {"a_1_arm64.deb", "b_1_all.deb", "a_2_amd64.deb"}


def test_half_done_wheels_of_the_dead_are_swept(tmp_path: Path) -> None:
    key = "0123456789abcdef"
    names = (f"wheelhouse/ipa-3.11-x86_64-{key}", f"wheelhouse/pip-3.13-x86_64-{key}")
    done, partial = [], []
    with download_slot(tmp_path) as one, download_slot(tmp_path) as two:
        for slot in (one, two):
            done += [slot / name for name in names]
            partial += [slot / f"{name}.a1B2c3" for name in names]
        for path in (*done, *partial):
            path.mkdir(parents=True)
            (path / "a.whl").touch()
    with download_slot(tmp_path):
        assert sorted(sweep(tmp_path)) == sorted(partial[2:])
    assert sorted(sweep(tmp_path)) == sorted(partial[:2])
    assert all((path / "a.whl").exists() for path in done)
    assert sweep(tmp_path) == sweep(tmp_path / "none") == []


def test_a_package_with_other_content_is_never_offered(tmp_path: Path) -> None:
    """Not by size or time: apt checks only the size of what it finds."""
    with download_slot(tmp_path) as slot:
        for name in ("a_1_amd64.deb", "b_1_all.deb", "c_1_all.deb"):
            (slot / ARCHIVES / name).write_text("sound")
    for name, content in (("a_1_amd64.deb", b"wrong"), ("b_1_all.deb", b"half")):
        package = tmp_path / "pool" / name
        before = package.stat()
        package.write_bytes(content)
        os.utime(package, ns=(before.st_atime_ns, before.st_mtime_ns))
    # Put there by hand, in the pool and where the last build found its packages.
    (tmp_path / "pool/d_1_all.deb").write_text("foreign")
    (slot / ARCHIVES / "e_1_all.deb").write_text("foreign")
    with download_slot(tmp_path) as again:
        assert again == slot
        assert names(again / ARCHIVES) == {"c_1_all.deb"}
        # apt downloads the others again.
        (again / ARCHIVES / "a_1_amd64.deb").write_text("sound")
    with download_slot(tmp_path) as again:
        assert names(again / ARCHIVES) == {"a_1_amd64.deb", "c_1_all.deb"}
        assert (again / ARCHIVES / "a_1_amd64.deb").read_text() == "sound"
    assert {path.name for path in (tmp_path / "pool").glob("*.sha256")} == {
        "a_1_amd64.deb.sha256",
        "c_1_all.deb.sha256",
    }
