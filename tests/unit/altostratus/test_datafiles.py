# SPDX-License-Identifier: Apache-2.0
import sys
import sysconfig
from pathlib import Path

import pytest

from altostratus import datafiles
from altostratus.errors import AltostratusError


def test_checkout_comes_first() -> None:
    checkout = Path(__file__).resolve().parents[3]
    assert datafiles.elements_path() == checkout / "elements"
    assert datafiles.templates_path() == checkout / "templates"
    assert datafiles.examples_path() == checkout / "examples"
    assert (datafiles.packages_path() / "novadrivers" / "compute.py").is_file()


def test_installed_trees_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "lib" / "imagebuild" / "datafiles.py"
    monkeypatch.setattr(datafiles, "__file__", str(package))
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    (tmp_path / "share" / "altostratus" / "elements").mkdir(parents=True)
    # Somebody else's directory of the same name beside the package.
    (tmp_path / "lib" / "elements").mkdir(parents=True)
    assert datafiles.elements_path() == tmp_path / "share" / "altostratus" / "elements"
    with pytest.raises(AltostratusError, match="templates of altostratus are missing"):
        datafiles.templates_path()
