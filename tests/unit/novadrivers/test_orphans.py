# SPDX-License-Identifier: Apache-2.0
"""A container that libvirt lost track of is recognized by the environment of its init."""

import os
import signal
import subprocess
import uuid

from novadrivers.libvirt import orphans

ONE, OTHER = str(uuid.uuid4()), str(uuid.uuid4())


def init(identity: str) -> subprocess.Popen[bytes]:
    """Start a process that looks like a container's init."""
    environment = {"PATH": "/usr/bin:/bin", "LIBVIRT_LXC_UUID": identity}
    return subprocess.Popen(["sleep", "60"], env=environment)


def test_the_container_is_killed_and_no_other() -> None:
    mine, others = init(ONE), init(OTHER)
    try:
        assert list(orphans.processes(ONE)) == [mine.pid]
        orphans.kill(ONE)
        assert mine.wait(timeout=5) == -signal.SIGKILL
        assert others.poll() is None
    finally:
        for each in (mine, others):
            each.kill()
            each.wait()


def test_a_child_that_ended_is_none() -> None:
    child = subprocess.Popen(["sleep", "60"])
    try:
        assert orphans.has_child(os.getpid())
        child.kill()
        # Dead, but nobody has waited for it.
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert not orphans.has_child(os.getpid())
    finally:
        child.kill()
        child.wait()


def test_nothing_left_is_nothing_to_do() -> None:
    orphans.kill(ONE)
