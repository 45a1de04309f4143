# SPDX-License-Identifier: Apache-2.0
"""``devtest destroy`` leaves nothing behind outside the cache, whatever happened before."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import guests
import killpoint
import pytest
import snapshot
from conftest import devtest

from devtest import container, undercloud
from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

# How our tools and diskimage-builder name what they put into /tmp and /var/tmp.
TEMPORARY = ("altostratus", ".altostratus", "dib", "profiledir")


def nothing_left(before: snapshot.Snapshot, workspace: Workspace) -> None:
    assert not workspace.state.exists()
    ignored = (str(workspace.cache), str(workspace.state))

    def counts(text: str) -> bool:
        return (
            snapshot.not_of_tests(text)
            and not text.startswith(ignored)
            and (not text.startswith(("/tmp/", "/var/tmp/")) or ours(text))
        )

    left = snapshot.left(before, lambda: snapshot.take(counts, marks=(str(workspace.state),)))
    assert not left


def ours(name: str) -> bool:
    """Tell whether a program of ours can have made a temporary file; others make theirs."""
    return Path(name).name.startswith(TEMPORARY)


def test_destroy_after_a_deployment(before: snapshot.Snapshot, doomed: Workspace) -> None:
    assert devtest("destroy").returncode == 0
    nothing_left(before, doomed)
    # With nothing there it has nothing to do.
    assert devtest("destroy").returncode == 0


def images_built(workspace: Workspace) -> None:
    killpoint.kill("run: images", "devtest.main", "run")


def services_starting(workspace: Workspace) -> None:
    """When the undercloud's services are being configured."""
    run = subprocess.Popen([sys.executable, "-m", "devtest.main", "run"], start_new_session=True)

    def applying() -> bool:
        assert run.poll() is None
        report = container.refresh_state(undercloud.current(workspace))
        return report.get("state") == "applying"

    guests.until("the undercloud is not being configured", 600, applying, between=0.2)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def instances_booting(workspace: Workspace) -> None:
    """When Heat has the stack and Nova makes its servers."""
    killpoint.kill("run: stack", "devtest.main", "run")
    compute = guests.connect(workspace).compute
    guests.until("no server", 120, lambda: list(compute.servers(details=False)), between=0.5)


@pytest.mark.parametrize(
    "kill",
    [
        pytest.param(images_built, marks=pytest.mark.full),
        pytest.param(services_starting, marks=pytest.mark.full),
        instances_booting,
    ],
    ids=lambda kill: kill.__name__,
)
def test_destroy_after_a_run_was_killed(
    before: snapshot.Snapshot, no_cloud: Workspace, kill: Callable[[Workspace], None]
) -> None:
    kill(no_cloud)
    assert devtest("destroy").returncode == 0
    nothing_left(before, no_cloud)


@pytest.mark.full
def test_destroy_where_the_state_was_removed_by_hand(
    before: snapshot.Snapshot, no_cloud: Workspace
) -> None:
    assert devtest("build").returncode == 0
    assert devtest("undercloud", "start").returncode == 0
    # As Nova mounts the disk of an lxc instance.
    disk = "cd /var/lib/nova-lxc && truncate --size=8M disk && mkfs.ext4 -q disk"
    mount = "mount $(losetup --find --show disk) /mnt"
    assert devtest("undercloud", "enter", "sh", "-c", f"{disk} && {mount}").returncode == 0
    shutil.rmtree(no_cloud.state)
    assert devtest("destroy").returncode == 0
    nothing_left(before, no_cloud)


@pytest.mark.parametrize(
    "signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.full)]
)
def test_an_interrupted_run_says_so(
    before: snapshot.Snapshot, no_cloud: Workspace, signum: signal.Signals
) -> None:
    command = [sys.executable, "-m", "devtest.main", "run"]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    assert run.stderr
    # The step's name comes before its work.
    assert any("start undercloud" in line for line in run.stderr)
    run.send_signal(signum)
    try:
        said, _ = run.stderr.read(), run.wait(timeout=30)
    finally:
        run.kill()
    assert run.returncode == 130
    assert "error: interrupted" in said
    assert devtest("destroy").returncode == 0
    nothing_left(before, no_cloud)
