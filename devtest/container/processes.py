# SPDX-License-Identifier: Apache-2.0
"""Processes of the host, told apart by pid and start time: a pid alone may be reused."""

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from altostratus.files import write_text

PROC = Path("/proc")


def identity(pid: int | str = "self") -> tuple[int, int] | None:
    """Return (pid, start time in clock ticks since boot) of a live process, or None.

    ``self`` is seen through the mounted /proc: inside a new pid namespace that still has the
    host's /proc, the pid is the host's. Fields: proc_pid_stat(5); a zombie counts as dead.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name (field 2) may hold spaces and parentheses.
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    if fields[0] in "ZX":
        return None
    return int(head.split(" ", 1)[0]), int(fields[19])


def record(path: Path) -> None:
    """Write the identity of the calling process to ``path``."""
    own = identity()
    if own is not None:
        write_text(path, f"{own[0]} {own[1]}\n")


def recorded(path: Path) -> int | None:
    """Return the pid in ``path`` if that very process still lives."""
    try:
        pid, started = (int(part) for part in path.read_text().split())
    except (FileNotFoundError, ValueError):
        return None
    return pid if identity(pid) == (pid, started) else None


def all_pids() -> Iterator[int]:
    """Yield the pid of every process that /proc shows."""
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def arguments(pid: int) -> list[bytes]:
    """Return the arguments of a process; none if it has ended or is ending."""
    try:
        text = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.split(b"\0") if text else []


def mentioning(text: str) -> list[int]:
    """Return the pids of processes, but ours, with the path ``text``, or one below, as argument."""
    path = text.encode()
    return [
        pid
        for pid in all_pids()
        if pid != os.getpid()
        and any(each == path or each.startswith(path + b"/") for each in arguments(pid))
    ]


def with_arguments(*words: str | Path) -> list[int]:
    """Return the pids of processes, but ours, that have each of ``words`` among their arguments."""
    wanted = {str(word).encode() for word in words}
    return [pid for pid in all_pids() if pid != os.getpid() and wanted <= set(arguments(pid))]


def kill(pids: Iterable[int], signum: signal.Signals = signal.SIGKILL) -> None:
    """Send ``signum`` to each pid; pids that are gone are ignored."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signum)


def wait_gone(pid: int, seconds: float) -> bool:
    """Wait until the process is dead; return False when it still lives after ``seconds``."""
    deadline = time.monotonic() + seconds
    while identity(pid) is not None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
