# SPDX-License-Identifier: Apache-2.0
"""What the functional tests share: they need root and use the real machine."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devtest import clouds, workspace
from devtest.undercloud import instances
from devtest.workspace import Workspace
from imagebuild import mirrors

sys.path.insert(0, str(Path(__file__).parent))

import snapshot

LAST_LINES = 20
OVERCLOUD = "overcloud"
"""The default example's name."""


def pytest_exception_interact(
    node: pytest.Item, call: pytest.CallInfo[Any], report: pytest.TestReport
) -> None:
    """Tell at once what failed, in a few lines: all of it comes at the end, maybe in an hour."""
    terminal = node.config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None and call.excinfo is not None:
        terminal.ensure_newline()
        terminal.write_line(f"{report.when} of {report.nodeid}: {call.excinfo.exconly()}")
        for line in report.capstderr.splitlines()[-LAST_LINES:]:
            terminal.write_line(f"    {line}")


@pytest.fixture(scope="session", autouse=True)
def _needs_root() -> None:
    assert os.geteuid() == 0, "the functional tests need root"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory on a real file system (an upper layer cannot be everywhere)."""
    directory = Path(tempfile.mkdtemp(prefix="altostratus-test-", dir="/var/tmp"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def key(scratch: Path) -> Path:
    """A private key; its public half is beside it."""
    path = scratch / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@pytest.fixture(scope="session")
def small_root(scratch: Path) -> Path:
    """A bare ext4 image with a minimal Debian and systemd."""
    tar, root, image = scratch / "root.tar", scratch / "root", scratch / "root.ext4"
    packages = "--include=systemd-sysv,dbus,iproute2"
    mirror = mirrors.mirror_options().get("DIB_DISTRIBUTION_MIRROR")
    make = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", tar]
    make += [mirror] if mirror else []
    # Other tests look for what mmdebstrap leaves in /tmp.
    subprocess.run(make, check=True, env={**os.environ, "TMPDIR": str(scratch)})
    root.mkdir()
    subprocess.run(["tar", "-C", root, "-xf", tar], check=True)
    (root / "etc/machine-id").write_text("")
    (root / "var/lib/mysql").mkdir()
    (root / "var/lib/mysql/seed").write_text("from the image\n")
    with image.open("wb") as stream:
        stream.truncate(600 * 1024 * 1024)
    command = ["mke2fs", "-q", "-t", "ext4", "-O", "^has_journal", "-d", root, image]
    subprocess.run(command, check=True)
    shutil.rmtree(root)
    tar.unlink()
    return image


def pytest_configure() -> None:
    """Have SIGTERM end the tests as Ctrl-C does: fixtures undo what they did."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run test_leftovers.py last: it destroys the clouds that the others use."""
    items.sort(key=lambda item: item.path.name == "test_leftovers.py")


def devtest(*arguments: str, timeout: float = 2400) -> subprocess.CompletedProcess[str]:
    """Run the command devtest; its messages go to the test's standard error."""
    command = [sys.executable, "-m", "devtest.main", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=timeout)


def openstack(*arguments: str) -> Any:
    """Run the plain client as devtest's instructions say and return its JSON."""
    client = Path(sys.executable).with_name("openstack")
    command = [client, *arguments, "-f", "json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def identities(workspace: Workspace) -> dict[str, str]:
    """Return the ids of the default example's servers by name."""
    connection = clouds.connect(workspace, "undercloud")
    return {each.name: each.id for each in instances.of_cloud(connection, OVERCLOUD)}


@pytest.fixture(scope="session")
def before() -> snapshot.Snapshot:
    """The machine before any undercloud was started."""
    return snapshot.take()


@pytest.fixture(scope="session")
def state(before: snapshot.Snapshot) -> Iterator[Workspace]:
    """The state directory of the tests' own clouds, destroyed at the end.

    With ALTOSTRATUS_STATE set, that one instead, which stays (but for test_leftovers.py).
    OS_CLIENT_CONFIG_FILE leads to the clouds' credentials, once there are any.
    """
    given = os.environ.get("ALTOSTRATUS_STATE")
    if not given:
        directory = tempfile.mkdtemp(prefix="altostratus-state-", dir="/var/tmp")
        os.environ["ALTOSTRATUS_STATE"] = directory
    found = workspace.find()
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(found.clouds_yaml)
    yield found
    if not given:
        devtest("destroy")
        shutil.rmtree(directory, ignore_errors=True)
        del os.environ["ALTOSTRATUS_STATE"]


@pytest.fixture(scope="session")
def undercloud(state: Workspace) -> Workspace:
    """A running undercloud with the default example's networks, flavors and images.

    Each step does nothing where nothing changed: after a test that failed half-way, too, this is
    what there is.
    """
    assert devtest("build").returncode == 0
    assert devtest("undercloud", "start").returncode == 0
    assert devtest("load").returncode == 0
    return state


@pytest.fixture(scope="session")
def overcloud(state: Workspace) -> Workspace:
    """The default example, deployed and verified by ``devtest run``."""
    done = devtest("run")
    assert done.returncode == 0
    assert f"export OS_CLIENT_CONFIG_FILE={state.clouds_yaml}" in done.stdout
    return state
