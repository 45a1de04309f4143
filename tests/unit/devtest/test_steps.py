# SPDX-License-Identifier: Apache-2.0
"""What the user and the report read of a step, also of one that fails."""

from pathlib import Path

import pytest

from altostratus.console import Progress
from devtest.cloud.steps import Steps
from devtest.report import Report
from devtest.workspace import Workspace


def steps(workspace: Workspace) -> Steps:
    return Steps(workspace, "overcloud", Path("cloud.yaml"), Progress())


def test_a_step_has_its_name_before_and_its_seconds_after(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = steps(workspace)
    with chosen.step("load images"):
        chosen.progress.note("loaded")
    first, middle, last = capsys.readouterr().err.splitlines()
    assert (first, middle) == ("== load images", "loaded")
    assert last.startswith("== load images: 0.")
    assert [name for name, _ in chosen.progress.steps] == ["load images"]
    assert chosen.failed is None


@pytest.mark.parametrize("reason", [ValueError, KeyboardInterrupt])
def test_a_step_that_fails_is_recorded_and_stands_out(
    workspace: Workspace, reason: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = steps(workspace)
    with chosen.step("build"):
        pass
    with pytest.raises(reason), chosen.step("deploy overcloud"):
        raise reason
    assert "!! deploy overcloud: FAILED after 0." in capsys.readouterr().err
    assert [name for name, _ in chosen.progress.steps] == ["build", "deploy overcloud"]
    report = Report(cloud="overcloud")
    report.finish("failed", chosen.progress.steps, chosen.failed)
    assert report.failed == "deploy overcloud"
    lines = report.text().splitlines()
    assert [line.split()[-1] for line in lines if line.startswith("deploy")] == ["FAILED"]
    assert not [line for line in lines if line.startswith("build") and "FAILED" in line]
