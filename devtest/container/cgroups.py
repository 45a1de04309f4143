# SPDX-License-Identifier: Apache-2.0
"""The control groups of a system container: one per hierarchy, below the cgroup of its starter.

All hierarchies are mounted privately (run this in a mount namespace of its own): the host's
/sys/fs/cgroup stays untouched, and hierarchies that the host knows but has not mounted are covered
too. See cgroups(7); the reasons are in docs/devtest.md.
"""

import contextlib
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from altostratus.files import write_json
from altostratus.process import run
from devtest.container import processes

# The version 2 hierarchy has no controllers in /proc/PID/cgroup.
UNIFIED = ""


@dataclass(frozen=True)
class Hierarchy:
    """One line of /proc/PID/cgroup: the controllers (v2: empty) and the cgroup's path."""

    controllers: str
    path: str

    @property
    def folder(self) -> str:
        """The name of its mount point."""
        return self.controllers.removeprefix("name=") or "unified"


def hierarchies(text: str | None = None) -> list[Hierarchy]:
    """Parse ``text`` in the format of /proc/PID/cgroup; None is the calling process's own."""
    lines = (Path("/proc/self/cgroup").read_text() if text is None else text).splitlines()
    return [Hierarchy(*line.split(":", 2)[1:]) for line in lines]


def is_unified() -> bool:
    """Return whether the host has version 2 alone, without hierarchies of version 1."""
    return all(entry.controllers == UNIFIED for entry in hierarchies())


def mount(base: Path, entry: Hierarchy) -> Path:
    """Mount a hierarchy below ``base`` and return the mount point."""
    point = base / entry.folder
    point.mkdir(parents=True, exist_ok=True)
    if entry.controllers == UNIFIED:
        run(["mount", "-t", "cgroup2", "-o", "nosuid,nodev,noexec", "cgroup2", point])
    else:
        options = f"nosuid,nodev,noexec,{entry.controllers}"
        run(["mount", "-t", "cgroup", "-o", options, "cgroup", point])
    return point


def create(base: Path, name: str, record: Path) -> list[Path]:
    """Create the cgroup ``name`` in each hierarchy, mounted below ``base``; return the directories.

    They are nested in the caller's cgroups, so that its limits apply. The list that ``members`` and
    ``remove`` need is written to ``record`` before anything is created.
    """
    own = hierarchies()
    inner = {entry: f"{entry.path.rstrip('/')}/{name}" for entry in own}
    write_json(record, [[entry.controllers, path] for entry, path in inner.items()])
    unified = is_unified()
    directories = []
    for entry in own:
        point = mount(base, entry)
        parent = point / entry.path.lstrip("/")
        directory = point / inner[entry].lstrip("/")
        directory.mkdir(exist_ok=True)
        if unified:
            _delegate(parent)
        elif "cpuset" in entry.controllers.split(","):
            # A version 1 cpuset without processors and memory nodes takes no process.
            (directory / "cgroup.clone_children").write_text("1")
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (directory / setting).write_text((parent / setting).read_text())
        directories.append(directory)
    return directories


def _delegate(parent: Path) -> None:
    """Enable all controllers of a version 2 cgroup for its children.

    Its own processes must leave it first ("no internal processes" rule of cgroups(7)).
    """
    leaf = parent / "supervisor"
    leaf.mkdir(exist_ok=True)
    for pid in (parent / "cgroup.procs").read_text().split():
        # Short-lived processes may have ended.
        with contextlib.suppress(ProcessLookupError):
            (leaf / "cgroup.procs").write_text(pid)
    for controller in (parent / "cgroup.controllers").read_text().split():
        (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def recover(name: str, text: str, record: Path) -> bool:
    """Write ``record`` again from the cgroups (``text``, proc_pid_cgroup(5)) of one of the members.

    ``name`` is that given to ``create``. Returns False where the process is not a member.
    """
    found = []
    for entry in hierarchies(text):
        parent, inside, _ = f"{entry.path}/".partition(f"/{name}/")
        if inside:
            found.append([entry.controllers, f"{parent}/{name}"])
    if found:
        write_json(record, found)
    return bool(found)


def members(record: Path) -> list[int]:
    """Return the pids of all processes in the recorded cgroups and below."""
    ours = _recorded(record)
    found = []
    for pid in processes.all_pids():
        # The process may end while we look.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            entries = hierarchies(Path(f"/proc/{pid}/cgroup").read_text())
            if any(_inside(entry, ours) for entry in entries):
                found.append(pid)
    return found


def _recorded(record: Path) -> dict[str, str]:
    try:
        return dict(json.loads(record.read_text()))
    except FileNotFoundError:
        return {}


def _inside(entry: Hierarchy, ours: dict[str, str]) -> bool:
    top = ours.get(entry.controllers)
    return top is not None and (entry.path == top or entry.path.startswith(f"{top}/"))


def remove(base: Path, record: Path) -> list[str]:
    """Remove the recorded cgroups, which must be empty of processes; return those that stayed.

    Call it in a private mount namespace, as ``python -m devtest.container.cgroups BASE RECORD``
    does.
    """
    left = []
    for controllers, path in _recorded(record).items():
        try:
            top = mount(base, Hierarchy(controllers, path)) / path.lstrip("/")
        except OSError as error:
            left.append(f"{controllers}:{path} ({error})")
            continue
        if not _remove_tree(top):
            left.append(f"{controllers}:{path}")
    return left


def _remove_tree(top: Path) -> bool:
    """Remove a cgroup and those below it; the kernel may need a moment after the last process."""
    for _ in range(20):
        if not top.exists():
            return True
        for directory in sorted((d for d in top.rglob("*") if d.is_dir()), reverse=True):
            with contextlib.suppress(OSError):
                directory.rmdir()
        with contextlib.suppress(OSError):
            top.rmdir()
            return True
        time.sleep(0.1)
    return False


def main() -> int:
    """Remove the cgroups: arguments are the base directory for the mounts and the record."""
    base, record = Path(sys.argv[1]), Path(sys.argv[2])
    run(["mount", "-t", "tmpfs", "cgroups", base])
    left = remove(base, record)
    if left:
        print(f"cgroups that could not be removed: {', '.join(left)}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
