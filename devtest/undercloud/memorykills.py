# SPDX-License-Identifier: Apache-2.0
"""Which instances the kernel killed programs of because their memory was used up.

Every container has a control group, whose counter says so as long as the group exists
(``oom_kill`` in ``memory.oom_control`` of version 1, in ``memory.events`` of version 2). The group
of an instance whose init was killed is gone: then the kernel's log may still say it.
"""

import contextlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from altostratus.process import CommandError, run
from devtest import container
from devtest.container import processes
from devtest.container.spec import Spec

# In the container: version 1's memory hierarchy, or version 2's only one.
HIERARCHIES = {
    "/sys/fs/cgroup/memory": "memory.oom_control",
    "/sys/fs/cgroup": "memory.events",
}
# libvirt names a group lxc-PID-NAME, by the domain; Nova names that by eight hexadecimal digits.
LXC = re.compile(r"lxc-\d+-(instance-[0-9a-f]{8})")
# docker names a group after the container's id, below /docker or in a scope of systemd.
DOCKER = re.compile(r"(?:^|-)([0-9a-f]{64})(?:\.scope)?$")
CONTAINERS = "/var/lib/docker/containers"
# The driver's name of an instance's container has its UUID.
UUID = re.compile(r"^/?nova-([0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})$")
# mm/oom_kill.c, dump_oom_victim: where the program was.
LOGGED = re.compile(r"\[\s*(?P<time>[\d.]+)\] oom-kill:.*\btask_memcg=(?P<group>[^,]*),")


def counts(spec: Spec) -> Counter[str]:
    """Return how many programs the kernel killed by instance of the running container ``spec``.

    Instances on lxc have the name of their libvirt domain, as ``Instance.domain``; those on docker
    the UUID of the server.
    """
    found, groups = Counter[str](), set[str]()
    for name, killed in _counted(spec):
        groups.add(name)
        found[name] += killed
    for name in _logged(spec):
        if name not in groups:
            found[name] += 1
    return +found


def _counted(spec: Spec) -> Iterator[tuple[str, int]]:
    """Yield the instance and the counter of each group that is there."""
    for top, file in HIERARCHIES.items():
        base = container.file_of(spec, top)
        if base is None or not (base / "cgroup.procs").exists():
            continue
        for path in _below(base, file):
            if name := _instance(spec, path.relative_to(base).parts):
                yield name, _killed(path / file)
        break


def _logged(spec: Spec) -> Iterator[str]:
    """Yield the instance of each program that the kernel's log says was killed since our start.

    The log goes back some while; names are those of an earlier undercloud before that.
    """
    init = container.pid(spec)
    known = processes.identity(init) if init else None
    if known is None:
        return
    started = known[1] / os.sysconf("SC_CLK_TCK")
    with contextlib.suppress(CommandError):
        for line in run(["dmesg"]).stdout.splitlines():
            entry = LOGGED.match(line)
            if entry and float(entry["time"]) > started:
                parts = entry["group"].split("/")
                if spec.name in parts and (name := _instance(spec, tuple(parts))):
                    yield name


def _below(base: Path, file: str) -> Iterator[Path]:
    # Instances come and go.
    with contextlib.suppress(OSError):
        yield from (path.parent for path in base.rglob(file))


def _instance(spec: Spec, parts: tuple[str, ...]) -> str:
    for part in parts:
        if lxc := LXC.search(part):
            return lxc[1]
        if docker := DOCKER.search(part):
            return _docker_server(spec, docker[1])
    return ""


def _docker_server(spec: Spec, identity: str) -> str:
    path = container.file_of(spec, f"{CONTAINERS}/{identity}/config.v2.json")
    try:
        name = json.loads(path.read_text())["Name"] if path else ""
    except (OSError, ValueError, KeyError):
        return ""
    found = UUID.match(str(name))
    return found[1] if found else ""


def _killed(path: Path) -> int:
    try:
        fields = dict(line.split() for line in path.read_text().splitlines())
    except OSError:
        return 0
    return int(fields.get("oom_kill", 0))
