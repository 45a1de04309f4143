# SPDX-License-Identifier: Apache-2.0
"""What a machine has that a container, a build or a deployment could leave behind."""

import contextlib
import json
import os
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

from devtest.container import processes

# Where programs of ours could write besides the places that they are given.
FILES = ("/tmp", "/var/tmp", "/run", "/run/netns", "/etc", "/var/lib", "/var/cache", "/var/log")

CGROUPS = Path("/sys/fs/cgroup")
# How the cgroups of our containers begin.
CGROUP = "/altostratus"

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


def take(ignore: tuple[str, ...] = (), marks: tuple[str, ...] = ()) -> Snapshot:
    """Look at the whole machine.

    ``ignore`` lists path prefixes of files that do not count, ``marks`` texts in the arguments or
    the environment of processes that do, besides those in our containers' cgroups.
    """
    return Snapshot(
        everyone=frozenset(filter(None, map(processes.identity, processes.all_pids()))),
        processes=frozenset(ours(marks)),
        mounts=frozenset(Path("/proc/self/mountinfo").read_text().splitlines()),
        loops=frozenset(_output("losetup", "--list", "--noheadings", "--output", "NAME,BACK-FILE")),
        namespaces=frozenset(_output("ip", "netns", "list")),
        links=frozenset(link["ifname"] for link in json.loads(_text("ip", "-j", "link"))),
        routes=frozenset(_output("ip", "route")),
        cgroups=frozenset(_cgroups()),
        files=frozenset(
            str(path)
            for top in FILES
            for path in Path(top).glob("*")
            if not str(path).startswith(ignore)
        ),
    )


def _text(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _output(*command: str) -> list[str]:
    return [line.rstrip() for line in _text(*command).splitlines()]


def ours(marks: tuple[str, ...]) -> set[tuple[Identity, str]]:
    """Return the processes of our containers, and those that mention one of ``marks``.

    Neither who runs the tests and what that has started, nor others who work on the machine.
    """
    found, own = set(), _read("self", "cgroup")
    for pid in processes.all_pids():
        # PermissionError: the init of a sandbox that this machine itself may be.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError, PermissionError):
            who, group, told = processes.identity(pid), _read(pid, "cgroup"), _told(pid)
            inside = CGROUP in group and group != own
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


def _cgroups() -> list[str]:
    """Return the cgroups of our containers, and those at the top of a hierarchy.

    Others on the machine make theirs below their own. What vanishes meanwhile is left out.
    """
    found = (Path(parent, name) for parent, names, _ in os.walk(CGROUPS) for name in names)
    return [str(path) for path in found if CGROUP in str(path) or path.parent.parent == CGROUPS]
