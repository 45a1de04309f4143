# SPDX-License-Identifier: Apache-2.0
"""What a machine has that a container, a build or a deployment could leave behind.

Other lanes of the tests are at work on the same machine: what is theirs has a mark in its name.
"""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

from devtest.container import processes

# Where programs of ours could write besides the places that they are given.
FILES = (
    *("/tmp", "/var/tmp", "/run", "/run/netns", "/run/altostratus"),
    *("/etc", "/var/lib", "/var/cache", "/var/log"),
)

CGROUPS = Path("/sys/fs/cgroup")
# How the cgroups of the undercloud and its nodes begin.
CLOUDS = "/altostratus"
MARKS = ("altostratus-test-", "/test-", "test-launcher", "test-image", "t-launcher", "t-image")
"""What is in the name of all that a lane makes for itself: directories, containers, links."""
SHARED = ("/run/netns", "/run/altostratus")
"""Directories that the first of several users makes and the last one removes."""
# Seconds in which another lane that has just made one of them puts something into it.
SETTLING = 5.0

Counts = Callable[[str], bool]
Identity = tuple[int, int]


@dataclass(frozen=True)
class Snapshot:
    """Sets of descriptions, one for each kind of thing; ``everyone`` is every process."""

    everyone: frozenset[Identity]
    processes: frozenset[tuple[Identity, str]]
    mounts: frozenset[str]
    loops: frozenset[str]
    namespaces: frozenset[str]
    links: frozenset[str]
    routes: frozenset[str]
    cgroups: frozenset[str]
    files: frozenset[str]

    def added(self, later: "Snapshot") -> dict[str, list[str]]:
        """Return what ``later`` has and this one has not, by kind; empty if nothing."""
        kinds = {
            field.name: sorted(getattr(later, field.name) - getattr(self, field.name))
            for field in fields(self)
            if field.name not in ("everyone", "processes")
        }
        new = [(who, text) for who, text in later.processes if who not in self.everyone]
        kinds["processes"] = [f"{pid} {text}" for (pid, _), text in sorted(new)]
        return {kind: items for kind, items in kinds.items() if items}


def of(*marks: str) -> Counts:
    """Count what has one of ``marks`` in its description, and shared directories without use."""
    return lambda text: (
        any(mark in text for mark in marks) or (_is_shared(text) and not _is_used(text))
    )


def not_of_tests(text: str) -> bool:
    """Count all but what a lane of the tests has made for itself: the clouds' and nobody's."""
    return not any(mark in text for mark in MARKS) and not (_is_shared(text) and _is_used(text))


def _is_shared(text: str) -> bool:
    """Tell whether it is a shared directory, or a mount (proc_pid_mountinfo(5)) of one."""
    return any(text == each or f" {each} " in text for each in SHARED)


def _is_used(text: str) -> bool:
    directory = next(each for each in SHARED if each in text)
    # It may go while we look.
    with contextlib.suppress(FileNotFoundError):
        return any(Path(directory).iterdir())
    return True


def take(counts: Counts, group: str = CLOUDS, marks: tuple[str, ...] = ()) -> Snapshot:
    """Look at the machine, as far as ``counts`` says yes to the description of a thing.

    Processes count that are in a cgroup whose name begins with ``group``, or that have one of
    ``marks`` in their arguments or their environment.
    """
    loops = _output("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE")
    links = [link["ifname"] for link in json.loads(_text("ip", "-j", "link"))]
    files = [str(path) for top in FILES for path in Path(top).glob("*")]
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return Snapshot(
        everyone=frozenset(filter(None, map(processes.identity, processes.all_pids()))),
        processes=frozenset(ours(group, marks)),
        mounts=frozenset(filter(counts, mounts)),
        loops=frozenset(filter(counts, loops)),
        namespaces=frozenset(filter(counts, _output("ip", "netns", "list"))),
        links=frozenset(filter(counts, links)),
        routes=frozenset(filter(counts, _output("ip", "route"))),
        cgroups=frozenset(filter(counts, cgroups(group))),
        files=frozenset(filter(counts, files)),
    )


def left(before: Snapshot, look: Callable[[], Snapshot]) -> dict[str, list[str]]:
    """Return what is there that was not there ``before``.

    A shared directory may have been made by another lane just now.
    """
    deadline = time.monotonic() + SETTLING
    while found := before.added(look()):
        others = all(_is_shared(item) for items in found.values() for item in items)
        if not others or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return found


def _text(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _output(*command: str) -> list[str]:
    return [line.rstrip() for line in _text(*command).splitlines()]


def ours(top: str, marks: tuple[str, ...]) -> set[tuple[Identity, str]]:
    """Return the processes in the cgroups ``top``..., and those that mention one of ``marks``.

    Neither who runs the tests and what that has started, nor others who work on the machine.
    """
    found, own = set(), _read("self", "cgroup")
    for pid in processes.all_pids():
        # PermissionError: the init of a sandbox that this machine itself may be.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            who, group, told = processes.identity(pid), _read(pid, "cgroup"), _told(pid)
            inside = top in group and group != own
            if who and (inside or any(mark in told for mark in marks)) and not _is_family(pid):
                found.add((who, _read(pid, "cmdline").replace("\0", " ")[:200]))
    return found


def _told(pid: int) -> str:
    return _read(pid, "cmdline") + _read(pid, "environ")


def _read(pid: int | str, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace")


def _is_family(pid: int) -> bool:
    """Tell whether this process is ours, or one that we have started and that has its parents."""
    while pid not in (0, 1, os.getpid()):
        # The fields after the name, which may hold spaces and parentheses: proc_pid_stat(5).
        pid = int(_read(pid, "stat").rpartition(")")[2].split()[1])
    return pid == os.getpid()


def cgroups(top: str = CLOUDS) -> list[str]:
    """Return the cgroups whose name begins with ``top``, and those at the top of a hierarchy.

    Others on the machine make theirs below their own. What vanishes meanwhile is left out.
    """
    found = (Path(parent, name) for parent, names, _ in os.walk(CGROUPS) for name in names)
    return [str(path) for path in found if top in str(path) or path.parent.parent == CGROUPS]
