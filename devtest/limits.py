# SPDX-License-Identifier: Apache-2.0
"""Limits of the host's kernel that all containers and guests share, and that a cloud may exceed.

They are raised while an undercloud runs and put back afterwards. The values before are recorded in
/run, which a reboot empties, as it takes back the values themselves; so whatever killed devtest,
the next ``start``, ``stop`` or ``destroy`` finds them. Several underclouds share one record: the
last that leaves puts the values back.

Figures were measured with ``examples/overcloud.yaml`` on lxc and rounded up: a systemd guest has 7
inotify instances with 34 watches, 24 threads besides its service's, one key for each of its users.
"""

import contextlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from altostratus.errors import AltostratusError
from altostratus.files import lock_directory, write_json
from devtest.container import processes

RECORD = Path("/run/altostratus.limits.json")
ROOT = 0


@dataclass(frozen=True)
class Limit:
    """A limit: its name for sysctl(8), how much is needed, and what it is raised to.

    ``needed`` maps the number of guests with an init of their own to what they and the undercloud
    need. ``used`` returns what others, that is processes but the given ones, have of it.
    """

    name: str
    about: str
    needed: Callable[[int], int]
    raised: int
    used: Callable[[Collection[int]], int] = lambda own: 0

    @property
    def path(self) -> Path:
        """Where the kernel shows the value."""
        return processes.PROC / "sys" / self.name.replace(".", "/")

    def value(self) -> int | None:
        """Return the limit now in force; None if this kernel has none."""
        try:
            return int(self.path.read_text())
        except (FileNotFoundError, ValueError):
            return None


def _instances(own: Collection[int]) -> int:
    return sum(_inotify_instances(pid) for pid in processes.all_pids() if pid not in own)


def _inotify_instances(pid: int) -> int:
    """Return how many inotify instances a process of root has open: the kernel counts by user."""
    try:
        if (processes.PROC / f"{pid}").stat().st_uid != ROOT:
            return 0
        opened = [str(each.readlink()) for each in (processes.PROC / f"{pid}/fd").iterdir()]
    except OSError:
        # It, or a file of it, is gone.
        return 0
    return opened.count("anon_inode:inotify")


LIMITS = (
    Limit(
        "fs.inotify.max_user_instances",
        "inotify instances",
        lambda guests: 24 + 9 * guests,
        8192,
        _instances,
    ),
    Limit(
        "fs.inotify.max_user_watches", "inotify watches", lambda guests: 1024 + 64 * guests, 524288
    ),
    # By user, and users of the same number in different guests are one user to the kernel.
    Limit("kernel.keys.maxkeys", "keys of one user", lambda guests: 20 + 2 * guests, 20000),
    Limit("kernel.keys.maxbytes", "bytes of keys", lambda guests: 500 + 50 * guests, 500000),
    # A MariaDB with native AIO asks for 2661 (4 + 4 threads, 256 each, and the log's).
    Limit("fs.aio-max-nr", "AIO requests", lambda guests: 2661 * (guests + 1), 1048576),
    Limit("kernel.pty.max", "pseudo-terminals", lambda guests: 64 + 4 * guests, 4096),
    Limit("kernel.pid_max", "processes and threads", lambda guests: 4000 + 300 * guests, 4194304),
    # One table for all network namespaces, and each guest knows all others on two networks.
    Limit(
        "net.ipv4.neigh.default.gc_thresh3",
        "neighbours (ARP)",
        lambda guests: 256 + 2 * guests * guests,
        65536,
    ),
)
"""The limits. Those that have never been in anybody's way (files, threads, mounts) are not here."""


@dataclass(frozen=True)
class State:
    """A limit now: its value, what others have of it, what is needed besides, and if it is ours."""

    limit: Limit
    value: int
    others: int
    needed: int
    writable: bool

    @property
    def enough(self) -> bool:
        """Whether nothing has to be raised."""
        return self.value - self.others >= self.needed

    @property
    def target(self) -> int:
        """What the limit is raised to."""
        return max(self.limit.raised, self.others + self.needed)


def examine(guests: int, own: Collection[int] = ()) -> list[State]:
    """Return the state of each limit for ``guests``; ``own`` are processes that count as theirs."""
    found = []
    for limit in LIMITS:
        value = limit.value()
        if value is not None:
            needed = limit.needed(guests)
            others = limit.used(own)
            found.append(State(limit, value, others, needed, _writable(limit.path)))
    return found


def _writable(path: Path) -> bool:
    """Tell whether root may set the limit: in a container /proc/sys may be read-only."""
    try:
        with path.open("r+"):
            return True
    except OSError:
        return False


def lift(state: Path, guests: int, own: Collection[int] = ()) -> list[str]:
    """Raise the limits that are too low for ``guests``; return a line for each that was raised.

    ``state`` is the undercloud's state directory. Raises AltostratusError for one that cannot be
    raised.
    """
    lines = []
    with _record() as record:
        record.users.add(str(state))
        for each in (one for one in examine(guests, own) if not one.enough):
            name, target = each.limit.name, each.target
            if not each.writable:
                raise AltostratusError(
                    f"{name} is {each.value}, {each.others + each.needed} are needed "
                    f"({each.limit.about}), and it cannot be set here",
                    f"set it where that is allowed: sysctl -w {name}={target}",
                )
            before = record.values.get(name, {"before": each.value})["before"]
            record.values[name] = {"before": before, "raised": target}
            # Before it is set: a killed devtest leaves a record of more than was done, never less.
            record.save()
            each.limit.path.write_text(f"{target}\n")
            lines.append(f"{name}: raised from {each.value} to {target} while the undercloud runs")
    return lines


def release(state: Path) -> None:
    """Put the limits back unless another undercloud needs them; one changed meanwhile stays."""
    if not RECORD.exists():
        return
    with _record() as record:
        record.users = {user for user in record.users - {str(state)} if Path(user).is_dir()}
        if record.users:
            return
        by_name = {limit.name: limit for limit in LIMITS}
        for name, values in record.values.items():
            limit = by_name.get(name)
            if limit and limit.value() == values["raised"]:
                limit.path.write_text(f"{values['before']}\n")
        record.values = {}


@dataclass
class _Record:
    """Who needs the raised limits (state directories), and the values before and since."""

    users: set[str]
    values: dict[str, dict[str, int]]

    def save(self) -> None:
        content = {"users": sorted(self.users), "values": self.values}
        write_json(RECORD, content)


@contextlib.contextmanager
def _record() -> Iterator[_Record]:
    """Provide the record, locked; it is written at the end, or removed if nobody needs it."""
    # The directory: a file of our own could not be removed without a race.
    with lock_directory(RECORD.parent):
        try:
            content = json.loads(RECORD.read_text(encoding="utf-8"))
        except FileNotFoundError:
            content = {"users": [], "values": {}}
        record = _Record(set(content["users"]), content["values"])
        yield record
        if record.users:
            record.save()
        else:
            RECORD.unlink(missing_ok=True)
