# SPDX-License-Identifier: Apache-2.0
"""Files of an instance are removed, or the failure is logged."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from novadrivers.docker import files


def test_files_go_and_may_be_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    directory = tmp_path / "u1"
    (directory / "config-drive").mkdir(parents=True)
    (directory / "config-drive" / "user_data").write_text("secret")
    assert files.remove(directory)
    assert not list(tmp_path.iterdir())
    assert files.remove(directory)
    assert not caplog.records


def test_what_stays_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "u1").mkdir()
    (tmp_path / "u1" / "secret").write_text("secret")

    def fail(*arguments: Any, **named: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.unlink", fail)
    assert not files.remove(tmp_path / "u1")
    assert "secret: [Errno 1] Operation not permitted" in caplog.text
    monkeypatch.undo()
    shutil.rmtree(tmp_path / "u1")
