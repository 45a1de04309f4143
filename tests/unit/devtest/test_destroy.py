# SPDX-License-Identifier: Apache-2.0
"""What destroy waits for."""

import subprocess
import sys

import pytest

from altostratus.console import Progress
from altostratus.errors import AltostratusError
from devtest.commands import machine
from devtest.workspace import Workspace


def test_a_process_that_stays_is_named(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(machine, "QUIET_TIME", 0.0)
    monkeypatch.setattr(machine, "ORPHAN_TIMEOUT", 0.1)
    # What it prints says that /proc shows its arguments.
    waiting = [sys.executable, "-c", "print(flush=True); input()"]
    paths = [f"{workspace.state}2/x", f"{workspace.state}/x"]
    others, ours = (
        subprocess.Popen([*waiting, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for path in paths
    )
    for each in (others, ours):
        assert each.stdout
        each.stdout.readline()
    with others, ours:
        with pytest.raises(
            AltostratusError, match=f"process {ours.pid} is still at work"
        ) as caught:
            machine.await_orphans(workspace.state, Progress())
        assert f"kill {ours.pid}" in str(caught.value.hint)
        assert f"waiting for process {ours.pid} to end" in capsys.readouterr().err
        ours.communicate("\n")
        machine.await_orphans(workspace.state, Progress())
