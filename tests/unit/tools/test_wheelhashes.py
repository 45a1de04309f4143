# SPDX-License-Identifier: Apache-2.0
"""Wheels are pinned by digest, in the lists and where they are used."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from altostratus import datafiles
from tools import wheelhashes

LIST = "# A comment==1\nsmall==1.0\n\n# Another\nOther.One==2\n"


def test_hashes_are_written_and_taken_off() -> None:
    hashes = {"small==1.0": {"b" * 64, "a" * 64}, "Other.One==2": {"c" * 64}}
    text = wheelhashes.with_hashes(LIST, hashes)
    assert text.splitlines()[1:4] == [
        "small==1.0 \\",
        f"    --hash=sha256:{'a' * 64} \\",
        f"    --hash=sha256:{'b' * 64}",
    ]
    assert wheelhashes.without_hashes(text) == LIST
    assert wheelhashes.with_hashes(text, hashes) == text


def wheel(directory: Path, content: str) -> Path:
    path = directory / "small-1.0-py3-none-any.whl"
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("small.py", content)
        metadata = "small-1.0.dist-info"
        archive.writestr(
            f"{metadata}/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1.0\n"
        )
        archive.writestr(f"{metadata}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{metadata}/RECORD", "")
    return path


class House:
    """The hook of the element wheelhouse, with an index of its own."""

    def __init__(self, directory: Path) -> None:
        self.index, self.hooks = directory / "index", directory / "hooks"
        self.cache = directory / "cache"
        (self.hooks / "wheelhouse").mkdir(parents=True)
        digest = hashlib.sha256(wheel(self.index, "x = 1").read_bytes()).hexdigest()
        text = wheelhashes.with_hashes("small==1.0\n", {"small==1.0": {digest}})
        (self.hooks / "wheelhouse/small.txt").write_text(text)

    def run(self) -> subprocess.CompletedProcess[str]:
        shutil.rmtree(self.hooks / "wheelhouse/small", ignore_errors=True)
        hook = datafiles.elements_path() / "wheelhouse/extra-data.d/50-wheelhouse"
        env = {
            **{"PATH": os.environ["PATH"], "ARCH": "amd64", "DIB_RELEASE": "bookworm"},
            **{"TMP_HOOKS_PATH": str(self.hooks), "DIB_IMAGE_CACHE": str(self.cache)},
            **{"DIB_PYTHON_EXEC": sys.executable, "PIP_CONFIG_FILE": os.devnull},
            **{"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index)},
        }
        return subprocess.run([hook], env=env, capture_output=True, text=True)

    def delivered(self) -> bytes:
        return (self.hooks / "wheelhouse/small/small-1.0-py3-none-any.whl").read_bytes()


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_damaged_wheel_is_fetched_anew(house: House) -> None:
    sound = (house.index / "small-1.0-py3-none-any.whl").read_bytes()
    assert house.run().returncode == 0
    assert house.delivered() == sound
    (cached,) = house.cache.glob("wheelhouse/*/*.whl")
    before = cached.stat()
    cached.write_bytes(sound[:-1] + b"!")
    os.utime(cached, ns=(before.st_atime_ns, before.st_mtime_ns))
    done = house.run()
    assert "is damaged; fetched anew" in done.stderr + done.stdout
    assert house.delivered() == sound
    # One is missing, one too many.
    cached.unlink()
    assert house.run().returncode == 0
    (cached.parent / "other-1.0-py3-none-any.whl").write_text("x")
    assert house.run().returncode == 0
    assert house.delivered() == sound


def test_a_wheel_of_another_digest_is_not_taken(house: House) -> None:
    wheel(house.index, "x = 2")
    done = house.run()
    assert done.returncode != 0
    assert "HASH" in done.stderr.upper()
    assert not list(house.cache.glob("wheelhouse/*/*.whl"))
