# SPDX-License-Identifier: Apache-2.0
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imagebuild.workdir import sweep, work_directory

KEEP = """
import sys, time
from pathlib import Path
from imagebuild.workdir import work_directory
with work_directory(Path(sys.argv[1])) as path:
    (path / "half-done").write_text("x")
    print(path, flush=True)
    time.sleep(1000)
"""


def test_directory_goes_with_its_block(tmp_path: Path) -> None:
    with work_directory(tmp_path / "work") as path:
        (path / "a").mkdir()
        assert path.stat().st_mode & 0o777 == 0o700
    assert not path.exists()
    with pytest.raises(ValueError, match="x"), work_directory(tmp_path / "work") as path:
        raise ValueError("x")
    assert not path.exists()


def test_only_directories_of_the_dead_are_swept(tmp_path: Path) -> None:
    work = tmp_path / "work"
    child = subprocess.Popen([sys.executable, "-c", KEEP, work], stdout=subprocess.PIPE, text=True)
    assert child.stdout
    theirs = Path(child.stdout.readline().strip())
    try:
        with work_directory(work) as mine:
            assert sweep(work) == []
            child.send_signal(signal.SIGKILL)
            child.wait()
            assert (theirs / "half-done").exists()
            assert sweep(work) == [theirs]
            assert not theirs.exists()
            assert mine.exists()
    finally:
        child.kill()
        child.stdout.close()


def test_sweeping_nothing_is_fine(tmp_path: Path) -> None:
    assert sweep(tmp_path / "none") == []
