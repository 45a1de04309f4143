# SPDX-License-Identifier: Apache-2.0
"""What a machine has that a container, a build or a deployment could leave behind."""

import json
import os
import subprocess
from dataclasses import dataclass, fields
from pathlib import Path

# Where programs of ours could write besides the places that they are given.
FILES = ("/tmp", "/var/tmp", "/run", "/run/netns", "/etc", "/var/lib", "/var/cache", "/var/log")


@dataclass(frozen=True)
class Snapshot:
    """Sets of descriptions, one for each kind of thing."""

    processes: frozenset[str]
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
        }
        return {kind: items for kind, items in kinds.items() if items}


def take(ignore: tuple[str, ...] = ()) -> Snapshot:
    """Look at the whole machine; ``ignore`` lists path prefixes of files that do not count."""
    return Snapshot(
        processes=frozenset(_processes()),
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


def _processes() -> list[str]:
    """Describe every process in another network namespace, and what our packages run on the host.

    Others may work on the machine meanwhile; what they start does not count.
    """
    own = Path("/proc/self/ns/net").readlink()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            apart = (entry / "ns/net").readlink() != own
        # PermissionError: the init of a sandbox that this machine itself may be.
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if apart or " devtest" in command or " imagebuild" in command:
            found.append(f"{entry.name} {command[:200]}")
    return found


def _cgroups() -> list[str]:
    return [str(path) for path in Path("/sys/fs/cgroup").rglob("*") if path.is_dir()]
