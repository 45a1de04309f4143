# SPDX-License-Identifier: Apache-2.0
import os
from pathlib import Path

import pytest

from imagebuild.downloads import ARCHIVES, download_slot


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
