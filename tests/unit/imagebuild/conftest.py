# SPDX-License-Identifier: Apache-2.0
"""What the tests of imagebuild share: small elements, an empty cache, a Glance, an image."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fakeglance import FakeGlance, serving
from loading import EXT4

from imagebuild.cache import Cache


@pytest.fixture
def own_elements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on ELEMENTS_PATH with the elements tiny and other."""
    directory = tmp_path / "elements"
    for name in ("tiny", "other"):
        (directory / name / "install.d").mkdir(parents=True)
        (directory / name / "element-deps").write_text("package-installs\n")
        (directory / name / "README.rst").write_text(name)
        hook = directory / name / "install.d" / f"50-{name}"
        hook.write_text("#!/bin/bash\n")
        hook.chmod(0o755)
    monkeypatch.setenv("ELEMENTS_PATH", str(directory))
    return directory


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def glance(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeGlance]:
    with serving() as fake:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("OS_AUTH_TYPE", "none")
        monkeypatch.setenv("OS_ENDPOINT", fake.url)
        monkeypatch.delenv("OS_CLOUD", raising=False)
        yield fake


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "c-db-lxc.raw"
    path.write_bytes(EXT4)
    return path
