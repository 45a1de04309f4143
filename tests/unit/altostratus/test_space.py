# SPDX-License-Identifier: Apache-2.0
import errno
from pathlib import Path

import pytest

from altostratus import files, space
from altostratus.process import CommandError, run


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        CommandError("tar failed", returncode=2, output="tar: No space left on device"),
    ],
)
def test_full_disk_names_path_and_bytes(tmp_path: Path, failure: Exception) -> None:
    path = tmp_path / "not" / "yet" / "image"
    with pytest.raises(space.NoSpaceError) as caught, space.needed(path, 5 * 2**20):
        raise failure
    assert f"No space left on device: {path} needs 5242880 bytes (5 MiB)" in caught.value.message
    assert "bytes" in caught.value.message.partition("needs")[2].partition(",")[2]
    assert caught.value.hint == f"make room on the file system of {path.parent}"


def test_other_failures_pass(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), space.needed(tmp_path, 1):
        raise PermissionError(errno.EACCES, "Permission denied")
    with pytest.raises(CommandError, match="failed with exit code 1"), space.needed(tmp_path, 1):
        run(["false"])


def test_a_full_disk_for_real() -> None:
    path, message = Path("/dev/full"), "/dev/full needs 3 bytes"
    with pytest.raises(space.NoSpaceError, match=message), space.needed(path, 3):
        path.write_text("abc")


def test_atomic_writes_name_the_path_not_the_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(space.NoSpaceError, match=rf"{tmp_path}/out.json needs 3 bytes"):
        files.write_json(tmp_path / "out.json", {})
