# SPDX-License-Identifier: Apache-2.0
"""Checks what this machine lacks, before any work: ``devtest doctor``.

Kernel features are tried, in temporary namespaces: a module may be built in, loadable or forbidden,
and only a trial shows which.
"""

import contextlib
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from altostratus.files import regular, write_json
from altostratus.process import CommandError, run, which
from devtest import container, limits, needs, undercloud
from devtest.cloud import cloudfiles
from devtest.container import cgroups, hostnet, owner, processes
from devtest.container.cgroups import Hierarchy
from devtest.container.spec import Network, Spec
from devtest.container.stage import LOOP_DEVICES
from devtest.needs import GIB, Needs
from devtest.undercloud import host, nodes
from devtest.workspace import Workspace
from generator.cloudfile.model import Cloud

CGROUPS = Path("/sys/fs/cgroup")
# Processes and threads of the undercloud (306 were seen) and of a guest.
PROCESSES = 1000
PROCESSES_OF_GUEST = 150

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


def examine(
    workspace: Workspace, networks: Iterable[IPv4Network], cloud: Cloud | None = None
) -> Iterator[Finding]:
    """Yield the outcome of every check; without root, those that need it are left out.

    ``networks`` are those that the host is going to reach through the container. ``cloud`` is the
    one to be deployed besides those that are there (None: none).
    """
    root = os.geteuid() == 0
    spec = undercloud.current(workspace)
    wanted = needs.of(workspace, cloud)
    yield Finding("root", root, f"uid {os.geteuid()}", "run it as root")
    yield from commands()
    yield memory(container.memory(spec, instances=True), wanted)
    yield from disks({workspace.state: wanted.state_disk, workspace.cache: wanted.cache_disk})
    yield from shared_limits(wanted.guests, nodes.processes_of_all(workspace), root)
    yield processes_left(cgroups.hierarchies(), wanted.guests)
    if root:
        yield from kernel(workspace)
        yield loop_devices(workspace.state, wanted.loops)
        yield from _networks(workspace.settings.network(networks))
        yield _name(spec)
    yield _open_vswitch()
    yield virtualisation(Path("/dev/kvm"), Path("/proc/cpuinfo"))
    yield hypervisor_types(wanted.types, workspace.settings.undercloud_file)


def commands() -> Iterator[Finding]:
    """Look for each program of COMMANDS."""
    for command, package in COMMANDS.items():
        where = which(command)
        yield Finding(f"command {command}", bool(where), where or "missing", f"install {package}")


def memory(used: int, wanted: Needs) -> Finding:
    """Judge the available memory; an undercloud that runs already has ``used`` bytes."""
    fields = dict(
        line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines() if ":" in line
    )
    available = int(fields["MemAvailable"].split()[0]) * 1024 + used
    return Finding(
        "memory",
        available >= wanted.memory,
        f"{available / GIB:.1f} GiB available, {wanted.memory / GIB:.1f} GiB needed",
        "stop something, use a larger machine, or take instances out of the cloud file",
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


def shared_limits(guests: int, own: Collection[int], root: bool) -> Iterator[Finding]:
    """Judge the limits that containers and host share; what devtest can raise itself is good.

    ``guests`` are the inits that the host's kernel is going to run; ``own`` the processes of those
    that run already.
    """
    for each in limits.examine(guests, own):
        taken = f", {each.others} of them used by others" if each.others else ""
        detail = f"{each.limit.name} is {each.value}{taken}; {each.needed} needed"
        raised = "" if each.enough else f"; raised to {each.target} while the undercloud runs"
        yield Finding(
            each.limit.about,
            each.enough or each.writable or not root,
            detail + raised,
            f"sysctl -w {each.limit.name}={each.target}",
        )


def processes_left(entries: Iterable[Hierarchy], guests: int, top: Path = CGROUPS) -> Finding:
    """Judge the limit on processes of our control group and those above it (pids.max)."""
    least = None
    for entry in entries:
        if entry.controllers not in ("pids", cgroups.UNIFIED):
            continue
        folder = top / entry.folder if entry.controllers else top
        here = folder / entry.path.lstrip("/")
        for each in (here, *here.parents):
            limit = _number(each / "pids.max")
            if limit is not None:
                left = limit - (_number(each / "pids.current") or 0)
                least = left if least is None else min(least, left)
    needed = PROCESSES + guests * PROCESSES_OF_GUEST
    return Finding(
        "processes in this control group",
        least is None or least >= needed,
        "no limit" if least is None else f"{least} are left, {needed} needed",
        "raise TasksMax (systemd) or --pids-limit (docker) of what devtest runs in",
    )


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def loop_devices(state: Path, needed: int) -> Finding:
    """Judge how many of the loop devices that a container sees are left for us."""
    entries = json.loads(run(["losetup", "--list", "--json"]).stdout or "{}")
    files = [each["back-file"] for each in entries.get("loopdevices", [])]
    others = [each for each in files if not Path(each).is_relative_to(state)]
    left = LOOP_DEVICES - len(others)
    return Finding(
        "loop devices left",
        left >= needed,
        f"{left} of {LOOP_DEVICES}, {needed} needed",
        "losetup --list shows who has them; losetup --detach DEVICE frees one",
    )


def hypervisor_types(types: Sequence[str], undercloud_file: Path) -> Finding:
    """Judge whether the undercloud has a nova-compute of each type that instances need."""
    there = cloudfiles.read(undercloud_file)[0].services
    missing = [name for name in types if f"nova-{name}" not in there]
    return Finding(
        "hypervisor types",
        not missing,
        f"no nova-{', nova-'.join(missing)}" if missing else ", ".join(types) or "none needed",
        f"add that service to the undercloud's cloud file, {undercloud_file}",
    )


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
        stop = f"ALTOSTRATUS_STATE={shlex.quote(str(running.parent))} devtest undercloud stop"
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
