# SPDX-License-Identifier: Apache-2.0
"""Which processes the functional tests take for leftovers: those of their own directories."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "functional"))

import snapshot

from devtest.container import processes

# What it prints says that /proc shows its arguments.
SLEEP = (sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(1000)")


@contextmanager
def orphan(*arguments: str, **environment: str) -> Iterator[int]:
    """A process whose parent has ended; gives its pid."""
    command = ["sh", "-c", '"$@" &', "sh", *SLEEP, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout
        pid = int(shell.stdout.readline())
    try:
        yield pid
    finally:
        processes.kill([pid])


def found(mark: str, *among: int) -> set[int]:
    """Those of ``among`` that count; a container that runs meanwhile is not our matter."""
    return {who[0] for who, _ in snapshot.ours(snapshot.CLOUDS, (mark,))} & set(among)


def test_arguments_and_environment_tell_whose_it_is(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with orphan(f"-oIdentityFile={state}/key") as ssh, orphan(TMPDIR=f"{state}/work") as build:
        assert found(state, ssh, build) == {ssh, build}
        assert found(f"{state}/work", ssh, build) == {build}


def test_others_at_work_do_not_count(tmp_path: Path) -> None:
    with orphan("vim", " devtest/main.py") as vim, orphan("-m", " imagebuild.build") as build:
        assert found(str(tmp_path), vim, build) == set()


def test_who_runs_the_tests_does_not_count(tmp_path: Path) -> None:
    child = subprocess.Popen([*SLEEP, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout
        child.stdout.readline()
        assert found(str(tmp_path), os.getpid(), child.pid) == set()
    finally:
        child.kill()
        child.wait()


def test_only_what_is_new_is_added(tmp_path: Path) -> None:
    nothing = dict.fromkeys(
        ("mounts", "loops", "namespaces", "links", "routes", "cgroups", "files"), frozenset[str]()
    )
    old, new = (1, 10), (2, 20)
    before = snapshot.Snapshot(frozenset({old}), frozenset(), **nothing)
    later = snapshot.Snapshot(frozenset(), frozenset({(old, "tee"), (new, "ssh")}), **nothing)
    assert before.added(later) == {"processes": ["2 ssh"]}
    assert before.added(before) == {}
