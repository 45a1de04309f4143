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

import evidence
import snapshot

HERE = Path(__file__).parent
LAST_LINES = 20
TIERS = ("gate", "full")
OVERCLOUD = "overcloud"
"""The default example's name."""


KEEP = """\
The clouds stay, for a look. With
    export ALTOSTRATUS_STATE={state} OS_CLIENT_CONFIG_FILE={clouds_yaml}
"devtest status", "devtest ssh NAME", "devtest logs NAME" and "openstack --os-cloud undercloud"
look into them. In the end: devtest destroy"""
_scratch: list[Path] = []
"""The session's directory, once there is one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --keep."""
    parser.addoption("--keep", action="store_true", help="leave the clouds running for a look")


def pytest_exception_interact(
    node: pytest.Item | pytest.Collector,
    call: pytest.CallInfo[Any],
    report: pytest.TestReport | pytest.CollectReport,
) -> None:
    """Report at once what failed, in a few lines, and save what explains it.

    All of it comes at the end, maybe in half an hour.
    """
    terminal = node.config.pluginmanager.get_plugin("terminalreporter")
    if call.excinfo is None or not isinstance(report, pytest.TestReport) or terminal is None:
        return
    terminal.ensure_newline()
    terminal.write_line(f"{report.when} of {report.nodeid}: {call.excinfo.exconly()}")
    for line in report.capstderr.splitlines()[-LAST_LINES:]:
        terminal.write_line(f"    {line}")
    saved = evidence.save(report, _scratch[0] if _scratch else None)
    if saved:
        terminal.write_line(f"    what explains it is in {saved}")


@pytest.fixture(scope="session", autouse=True)
def _needs_root() -> None:
    assert os.geteuid() == 0, "the functional tests need root"


@pytest.fixture(scope="session")
def scratch() -> Iterator[Path]:
    """A directory on a real file system (an upper layer cannot be everywhere)."""
    directory = Path(tempfile.mkdtemp(prefix="altostratus-test-", dir="/var/tmp"))
    _scratch.append(directory)
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the markers, and run last what destroys the clouds that others use.

    The order saves time only: each test's fixtures see to it that it has what it needs.
    """
    ours = [item for item in items if item.path.is_relative_to(HERE)]
    if wrong := [item.nodeid for item in ours if not _has_tier(item)]:
        raise pytest.UsageError(
            "neither gate nor full, or full with gate inside (docs/development.md, The gate): "
            + ", ".join(wrong)
        )
    if config.getoption("--keep"):
        destroying = [item for item in items if _destroys(item)]
        config.hook.pytest_deselected(items=destroying)
        items[:] = [item for item in items if not _destroys(item)]
    items.sort(key=_destroys)


def _has_tier(item: pytest.Item) -> bool:
    """Tell whether an item is gate or full; a full test may be in a module of gate's."""
    # The nearest first: a test's own, then its module's.
    tiers = [mark.name for mark in item.iter_markers() if mark.name in TIERS]
    return bool(tiers) and "gate" not in tiers[:-1]


def _destroys(item: pytest.Item) -> int:
    """Return 0 for a test that leaves the clouds alone, 1 for one that ends them, 2 afterwards."""
    names = getattr(item, "fixturenames", ())
    return 2 if "no_cloud" in names else int("doomed" in names)


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


class Clouds:
    """The undercloud and the default example in it: made when a test wants them."""

    def __init__(self, workspace: Workspace) -> None:
        """Begin with nothing that is known to be there."""
        self.workspace = workspace
        self._there: set[str] = set()

    def need_undercloud(self) -> Workspace:
        """Have the undercloud, with the default example's networks, flavors and images.

        Each step does nothing where nothing changed.
        """
        if "undercloud" not in self._there:
            for step in (("build",), ("undercloud", "start"), ("load",)):
                assert devtest(*step).returncode == 0
            self._there.add("undercloud")
        return self.workspace

    def need_overcloud(self) -> Workspace:
        """Have the default example, deployed and verified by ``devtest run``."""
        if OVERCLOUD not in self._there:
            done = devtest("run")
            assert done.returncode == 0
            assert f"export OS_CLIENT_CONFIG_FILE={self.workspace.clouds_yaml}" in done.stdout
            self._there |= {OVERCLOUD, "undercloud"}
        return self.workspace

    def destroy(self) -> None:
        """Have nothing."""
        self._there.clear()
        assert devtest("destroy").returncode == 0


@pytest.fixture(scope="session")
def keep(request: pytest.FixtureRequest) -> bool:
    """Whether clouds stay when the tests are over."""
    return bool(request.config.getoption("--keep"))


@pytest.fixture(scope="session")
def before() -> snapshot.Snapshot:
    """The machine before any undercloud was started."""
    return snapshot.take(snapshot.not_of_tests)


@pytest.fixture(scope="session")
def made(before: snapshot.Snapshot, keep: bool, request: pytest.FixtureRequest) -> Iterator[Clouds]:
    """The clouds of these tests, destroyed at the end.

    With ALTOSTRATUS_STATE set, in that directory, and they stay (but for tests of ``destroy``).
    OS_CLIENT_CONFIG_FILE leads to the clouds' credentials, once there are any.
    """
    given = os.environ.get("ALTOSTRATUS_STATE")
    directory = given or tempfile.mkdtemp(prefix="altostratus-state-", dir="/var/tmp")
    os.environ["ALTOSTRATUS_STATE"] = directory
    found = workspace.find()
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(found.clouds_yaml)
    yield Clouds(found)
    if keep:
        terminal = request.config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.ensure_newline()
            terminal.write_line(KEEP.format(state=found.state, clouds_yaml=found.clouds_yaml))
    elif not given:
        devtest("destroy")
        shutil.rmtree(directory, ignore_errors=True)
        del os.environ["ALTOSTRATUS_STATE"]


@pytest.fixture(scope="session")
def state(made: Clouds) -> Workspace:
    """The state directory of these tests' clouds, of which perhaps none is there."""
    return made.workspace


@pytest.fixture(scope="module")
def undercloud(made: Clouds) -> Workspace:
    """A running undercloud with the default example's networks, flavors and images."""
    return made.need_undercloud()


@pytest.fixture(scope="module")
def overcloud(made: Clouds) -> Workspace:
    """The default example, deployed and verified."""
    return made.need_overcloud()


@pytest.fixture
def doomed(made: Clouds) -> Iterator[Workspace]:
    """The default example, which the test destroys."""
    yield made.need_overcloud()
    made.destroy()


@pytest.fixture
def no_cloud(made: Clouds) -> Iterator[Workspace]:
    """A machine without a cloud of these tests, as it is again afterwards."""
    made.destroy()
    yield made.workspace
    made.destroy()
