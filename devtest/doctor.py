# SPDX-License-Identifier: Apache-2.0
"""Checks what this machine lacks, before any work: ``devtest doctor``.

Kernel features are tried, in temporary namespaces: a module may be built in, loadable or forbidden,
and only a trial shows which.
"""

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from altostratus.files import regular, write_json
from altostratus.process import CommandError, run
from devtest import container, undercloud
from devtest.container import cgroups, hostnet, owner, processes
from devtest.container.spec import Network, Spec
from devtest.undercloud import host, nodes
from devtest.workspace import Workspace

GIB = 1024**3
# Measured with the default example, see docs/performance.md, and rounded up.
MEMORY = 6 * GIB
STATE_DISK = 10 * GIB
CACHE_DISK = 10 * GIB
# A systemd guest uses about nine inotify instances; they count per user, over all guests and
# underclouds. The default example uses 48.
INOTIFY = 100
INOTIFY_LEFT = 60

ROOT = 0
# Name of a directory for trials, before the pid of who tries.
SCRATCH = ".altostratus-trial-"

# Command → Debian package.
COMMANDS = {
    "debootstrap": "debootstrap",
    "mke2fs": "e2fsprogs",
    "ip": "iproute2",
    "losetup": "mount",
    "mount": "mount",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "setsid": "util-linux",
    "pivot_root": "util-linux",
    "qemu-img": "qemu-utils",
    "sysctl": "procps",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    # What builds images: diskimage-builder calls the first two, we the others.
    "mmdebstrap": "mmdebstrap",
    "sudo": "sudo",
    "cpio": "cpio",
    "zstd": "zstd",
}


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: what was found, and what to do if that is not enough."""

    name: str
    good: bool
    detail: str
    hint: str = ""


def examine(workspace: Workspace, networks: Iterable[IPv4Network]) -> Iterator[Finding]:
    """Yield the outcome of every check; without root, those that need it are left out.

    ``networks`` are those that the host is going to reach through the container.
    """
    root = os.geteuid() == 0
    spec = undercloud.current(workspace)
    yield Finding("root", root, f"uid {os.geteuid()}", "run it as root")
    yield from commands()
    yield memory(container.memory(spec, instances=True))
    yield from disks({workspace.state: STATE_DISK, workspace.cache: CACHE_DISK})
    ours = [spec, *nodes.containers(workspace)]
    yield inotify({pid for each in ours for pid in cgroups.members(each.cgroups)})
    if root:
        yield from kernel(workspace)
        yield from _networks(workspace.settings.network(networks))
        yield _name(spec)
    yield _open_vswitch()
    yield virtualisation(Path("/dev/kvm"), Path("/proc/cpuinfo"))


def commands() -> Iterator[Finding]:
    """Look for each program of COMMANDS."""
    for command, package in COMMANDS.items():
        where = shutil.which(command)
        yield Finding(f"command {command}", bool(where), where or "missing", f"install {package}")


def memory(used: int) -> Finding:
    """Judge the available memory; an undercloud that runs already has ``used`` bytes."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    available = int(fields["MemAvailable"].split()[0]) * 1024 + used
    return Finding(
        "memory",
        available >= MEMORY,
        f"{available / GIB:.1f} GiB available, {MEMORY / GIB:.0f} GiB needed",
        "stop something, or use a machine with 8 GiB",
    )


def disks(needs: Mapping[Path, int]) -> Iterator[Finding]:
    """Judge the file systems on which the directories ``needs`` (bytes) are or will be.

    Directories on the same one need the sum; what is in them counts as free.
    """
    disks: dict[int, list[Path]] = {}
    for path in needs:
        disks.setdefault(_existing(path).stat().st_dev, []).append(path)
    for paths in disks.values():
        free = shutil.disk_usage(_existing(paths[0])).free + used(paths)
        needed = sum(needs[path] for path in paths)
        where = " and ".join(map(str, paths))
        yield Finding(
            f"disk for {where}",
            free >= needed,
            f"{free / GIB:.1f} GiB, {needed / GIB:.0f} GiB needed",
            "free some space, or set ALTOSTRATUS_STATE and ALTOSTRATUS_CACHE to another disk",
        )


def used(paths: Iterable[Path]) -> int:
    """Return the bytes of the files below ``paths``; the state has hard links to the cache."""
    files = (status for path in paths for status in regular(path))
    return sum({(each.st_dev, each.st_ino): each.st_blocks * 512 for each in files}.values())


def inotify(own: Collection[int]) -> Finding:
    """Judge how many inotify instances are left for the undercloud, whose processes are ``own``."""
    limit = int((processes.PROC / "sys/fs/inotify/max_user_instances").read_text())
    others = sum(_inotify_instances(pid) for pid in processes.all_pids() if pid not in own)
    return Finding(
        "inotify instances",
        limit >= INOTIFY and limit - others >= INOTIFY_LEFT,
        f"fs.inotify.max_user_instances is {limit}, {INOTIFY} needed; "
        f"{limit - others} are left, {INOTIFY_LEFT} needed",
        "sysctl -w fs.inotify.max_user_instances=8192",
    )


def _inotify_instances(pid: int) -> int:
    """Return how many inotify instances a process of root has open."""
    try:
        if (processes.PROC / f"{pid}").stat().st_uid != ROOT:
            return 0
        opened = [str(each.readlink()) for each in (processes.PROC / f"{pid}/fd").iterdir()]
    except OSError:
        # It, or a file of it, is gone.
        return 0
    return opened.count("anon_inode:inotify")


def kernel(workspace: Workspace) -> Iterator[Finding]:
    """Try each feature of the kernel that containers need."""
    namespaces = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork"]
    private = ["unshare", "--net"]
    trials: dict[str, Callable[[], object]] = {
        "namespaces": lambda: run([*namespaces, "true"]),
        "veth": lambda: run([*private, "ip", "link", "add", "v0", "type", "veth", "peer", "v1"]),
        "tun": lambda: run([*private, "ip", "tuntap", "add", "dev", "t", "mode", "tap"]),
        "loop devices": lambda: run(["losetup", "--find"]),
        "overlay": lambda: _try_overlay(workspace.state),
        "cgroups": lambda: _try_cgroups(workspace.state),
    }
    for name, trial in trials.items():
        try:
            trial()
        except CommandError as error:
            last = error.output.splitlines()[-1:] or [error.message]
            yield Finding(
                name, False, last[0], "this kernel, or the container we are in, forbids it"
            )
        else:
            yield Finding(name, True, "works")


def _existing(path: Path) -> Path:
    """Return ``path``, or the nearest directory above it that exists."""
    while not path.exists():
        path = path.parent
    return path


def sweep(state: Path) -> None:
    """Remove the directories of trials that were killed."""
    for stale in _existing(state).glob(f"{SCRATCH}*"):
        if processes.identity(stale.name.removeprefix(SCRATCH)) is None:
            shutil.rmtree(stale, ignore_errors=True)


@contextlib.contextmanager
def scratch(state: Path) -> Iterator[Path]:
    """Provide a directory on the file system of ``state``; its name has our pid."""
    sweep(state)
    top = _existing(state) / f"{SCRATCH}{os.getpid()}"
    top.mkdir()
    try:
        yield top
    finally:
        shutil.rmtree(top)


def _try_cgroups(state: Path) -> None:
    """Mount every hierarchy as ``container.cgroups`` does when it removes what is not there."""
    with scratch(state) as top:
        record = top / "record.json"
        rows = [[entry.controllers, "/altostratus-doctor"] for entry in cgroups.hierarchies()]
        write_json(record, rows)
        private = ["unshare", "--mount", "--propagation", "private"]
        run([*private, sys.executable, "-m", "devtest.container.cgroups", top, record])


def _try_overlay(state: Path) -> None:
    """Mount an overlay whose upper layer is where the container's will be, in a private namespace.

    An overlay cannot sit on an overlay: state in a docker container's own root fails here.
    """
    with scratch(state) as top:
        for part in ("lower", "upper", "work", "root"):
            (top / part).mkdir()
        layers = f"lowerdir={top}/lower,upperdir={top}/upper,workdir={top}/work"
        private = ["unshare", "--mount", "--propagation", "private"]
        run([*private, "mount", "-t", "overlay", "-o", layers, "overlay", str(top / "root")])


def _networks(network: Network) -> Iterator[Finding]:
    """Look for routes of the host that overlap the undercloud's networks."""
    for each in host.needed(network):
        taken = host.conflicts(each, network.link)
        yield Finding(f"network {each}", not taken, ", ".join(taken) or "free", host.OTHER_NETWORKS)


def _name(spec: Spec) -> Finding:
    """Look for another container of the same name, or a network namespace that is not ours."""
    running, check = container.other(spec), f"network namespace {spec.name}"
    if running:
        found = f"of the undercloud with its state in {running.parent}"
        stop = f"ALTOSTRATUS_STATE={running.parent} devtest undercloud stop"
        return Finding(check, False, found, f"{stop}, or give this one another name: --name NAME")
    unknown = owner.of(spec.name) is None and not container.pid(spec)
    foreign = spec.name in hostnet.namespaces() and unknown
    return Finding(
        check,
        not foreign,
        "used by another program" if foreign else "free or ours",
        f"if nothing needs it, delete it: ip netns delete {spec.name}",
    )


def _open_vswitch() -> Finding:
    module = Path("/sys/module/openvswitch").exists()
    how = (
        "kernel datapath" if module else "no kernel module: userspace datapath, slower but complete"
    )
    return Finding("openvswitch", True, how)


def virtualisation(device: Path, cpuinfo: Path) -> Finding:
    """Report what instances of type kvm will run on; the node's kvm-probe decides."""
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE)
    supported = flags is not None and bool({"vmx", "svm"} & set(flags[1].split()))
    if not device.exists():
        how = f"no {device}: virtual machines are emulated, slower but complete"
    elif not supported:
        how = f"{device}, but a CPU without it: virtual machines are most likely emulated"
    else:
        how = str(device)
    return Finding("kvm", True, how)
