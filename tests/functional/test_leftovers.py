# SPDX-License-Identifier: Apache-2.0
"""``devtest destroy`` leaves nothing behind outside the cache, whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import snapshot
from conftest import devtest

from devtest.workspace import Workspace

# How our tools and diskimage-builder name what they put into /tmp.
TEMPORARY = ("altostratus", ".altostratus", "dib", "profiledir")


def nothing_left(before: snapshot.Snapshot, workspace: Workspace) -> None:
    assert not workspace.state.exists()
    ignored = (str(workspace.cache), str(workspace.state))
    # Others may have the same cache, but not work in it.
    marks = (str(workspace.state), f"{workspace.cache}/")
    added = before.added(snapshot.take(ignored, marks))
    files = [name for name in added.pop("files", []) if ours(name)]
    assert not added
    assert not files


def ours(name: str) -> bool:
    """Tell whether a program of ours can have made a file; others may use /tmp meanwhile."""
    path = Path(name)
    if path.parent.name == "tmp":
        return path.name.startswith(TEMPORARY) and not path.name.startswith("altostratus-test-")
    return True


def test_destroy_after_a_deployment(before: snapshot.Snapshot, overcloud: Workspace) -> None:
    assert devtest("destroy").returncode == 0
    nothing_left(before, overcloud)
    # With nothing there it has nothing to do.
    assert devtest("destroy").returncode == 0


# Before there is a container; while its services start; while images are loaded and instances boot.
@pytest.mark.parametrize("seconds", [2, 20, 75])
def test_destroy_after_a_run_was_killed(
    before: snapshot.Snapshot, state: Workspace, seconds: float
) -> None:
    command = [sys.executable, "-m", "devtest.main", "run"]
    run = subprocess.Popen(command, start_new_session=True)
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert devtest("destroy").returncode == 0
    nothing_left(before, state)


def test_destroy_where_the_state_was_removed_by_hand(
    before: snapshot.Snapshot, state: Workspace
) -> None:
    assert devtest("build").returncode == 0
    assert devtest("undercloud", "start").returncode == 0
    # As Nova mounts the disk of an lxc instance.
    disk = "cd /var/lib/nova-lxc && truncate --size=8M disk && mkfs.ext4 -q disk"
    mount = "mount $(losetup --find --show disk) /mnt"
    assert devtest("undercloud", "enter", "sh", "-c", f"{disk} && {mount}").returncode == 0
    shutil.rmtree(state.state)
    assert devtest("destroy").returncode == 0
    nothing_left(before, state)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so(
    before: snapshot.Snapshot, state: Workspace, signum: signal.Signals
) -> None:
    command = [sys.executable, "-m", "devtest.main", "run"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(8)
    run.send_signal(signum)
    try:
        _, said = run.communicate(timeout=30)
    finally:
        run.kill()
    assert run.returncode == 130
    assert "error: interrupted" in said
    assert devtest("destroy").returncode == 0
    nothing_left(before, state)
