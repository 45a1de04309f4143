# SPDX-License-Identifier: Apache-2.0
"""What the functional tests share: they need root and use the real machine."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


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
def small_root(scratch: Path) -> Path:
    """A bare ext4 image with a minimal Debian and systemd."""
    tar, root, image = scratch / "root.tar", scratch / "root", scratch / "root.ext4"
    packages = "--include=systemd-sysv,dbus,iproute2"
    mirror = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
    make = ["mmdebstrap", "--quiet", "--variant=minbase", packages, "bookworm", tar, mirror]
    subprocess.run(make, check=True)
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
