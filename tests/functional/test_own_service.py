# SPDX-License-Identifier: Apache-2.0
"""The tutorial's service, outside of the repository: built, deployed and used as the page says."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tutorial

from devtest import clouds, ownelements
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.workspace import Workspace

pytestmark = pytest.mark.full

CLOUD = "store"


@pytest.fixture(scope="module")
def printed(undercloud: Workspace, scratch: Path, keep: bool) -> Iterator[str]:
    """What the page's commands print, run one after another in one shell."""
    place = scratch / "tutorial"
    path = tutorial.programs(place / "bin")
    tutorial.write(place)
    lines = ["set -e", *tutorial.commands(root=False), *tutorial.commands(root=True)]
    done = subprocess.run(
        ["bash", "-c", "\n".join(lines)],
        cwd=place,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(tutorial.TOP)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=2400,
    )
    assert done.returncode == 0, done.stdout
    yield done.stdout
    if not keep:
        connection = clouds.connect(undercloud, "undercloud")
        stacks.delete(stacks.client(connection), CLOUD)
        # The directory goes with the tests' others.
        (undercloud.state / ownelements.FILE).unlink()


def test_a_value_is_written_and_read(printed: str) -> None:
    assert printed.splitlines()[-2:] == ["OK", "hello"]


def test_the_image_is_built_from_elements_outside(printed: str, scratch: Path) -> None:
    assert (scratch / "tutorial/images/store-redis-lxc.raw").exists()


def test_nobody_reads_it_without_the_password(undercloud: Workspace, printed: str) -> None:
    connection = clouds.connect(undercloud, "undercloud")
    address = instances.find(connection, f"{CLOUD}/redis-0").addresses["ctlplane"]
    with socket.create_connection((address, 6379), timeout=30) as redis:
        redis.sendall(b"GET greeting\r\n")
        assert redis.recv(100).startswith(b"-NOAUTH")


def test_devtest_keeps_the_directory_of_elements(printed: str, undercloud: Workspace) -> None:
    """A later command without the variable knows the service, and its unit."""
    kept = (undercloud.state / ownelements.FILE).read_text()
    assert Path(kept.strip()).name == "my-elements"
