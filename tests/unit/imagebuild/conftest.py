# SPDX-License-Identifier: Apache-2.0
"""What the tests of imagebuild share: a directory of small elements, an empty cache."""

from pathlib import Path

import pytest

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
