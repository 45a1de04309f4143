# SPDX-License-Identifier: Apache-2.0
"""Control groups that containers made for themselves, which libvirt does not know.

With control groups of version 1 libvirt leaves the first process of a container in its daemon's
groups of the hierarchies name=systemd and, on hosts with both versions, unified. The images' init
makes a group there, named after the domain (element target-lxc). Nobody else removes it.

``python3 -m novadrivers.libvirt.cgroups [DOMAIN]`` does so in a mount namespace of its own: libvirt
must not see that the hierarchies are mounted. Without DOMAIN it removes those of all domains that
have no process. ``orphans.forget_cgroups`` starts it.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PID_FILE = Path("/run/libvirt/libvirtd.pid")
PREFIX = "instance-"
"""What domains' names begin with: ``[DEFAULT] instance_name_template`` of Nova."""
SYSTEMD, UNIFIED = "name=systemd", ""
MOUNTS = {
    SYSTEMD: ("-t", "cgroup", "-o", "none,name=systemd"),
    UNIFIED: ("-t", "cgroup2"),
}
"""Options of mount(8) by hierarchy, as proc_pid_cgroup(5) calls it."""


def parents(text: str) -> Iterator[tuple[str, str]]:
    """Return the hierarchies and groups that count of the daemon's proc_pid_cgroup(5), ``text``.

    With version 2 alone each container has a group of libvirt's.
    """
    found = [line.split(":", 2)[1:] for line in text.splitlines()]
    if SYSTEMD in (name for name, _ in found):
        yield from ((name, path) for name, path in found if name in MOUNTS)


def is_used(group: Path) -> bool:
    """Tell whether ``group`` or one below it has a process."""
    return any(path.read_text().strip() for path in group.rglob("cgroup.procs"))


def remove(group: Path) -> None:
    """Remove ``group`` and those below it, as far as they have no process."""
    for parent, _, _ in os.walk(group, topdown=False):
        with contextlib.suppress(OSError):
            Path(parent).rmdir()


def clean(parent: Path, domain: str) -> None:
    """Remove the group of ``domain`` in ``parent``; empty: those of all domains without process."""
    for group in [parent / domain] if domain else sorted(parent.glob(f"{PREFIX}*")):
        if group.is_dir() and not is_used(group):
            remove(group)


def main(argv: list[str]) -> int:
    """Remove the groups; see the module's docstring. Return the exit status."""
    try:
        pid = int(PID_FILE.read_text())
        text = Path(f"/proc/{pid}/cgroup").read_text()
    except (OSError, ValueError):
        # Nothing tells where they are; the next start of nova-compute looks again.
        return 0
    with tempfile.TemporaryDirectory() as point:
        for hierarchy, path in parents(text):
            subprocess.run(["mount", *MOUNTS[hierarchy], "cgroup", point], check=True)
            clean(Path(point) / path.lstrip("/"), *argv or [""])
            subprocess.run(["umount", point], check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
