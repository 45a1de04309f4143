# SPDX-License-Identifier: Apache-2.0
"""PID 1 of a system container until /sbin/init takes over.

``python -m devtest.container.stage STEP SPEC`` does one step.

Step ``join``: enter the cgroups, then a cgroup namespace, whose root they become. Step ``boot``:
mount what an init expects of a container (https://systemd.io/CONTAINER_INTERFACE/), make the image
the root, run the init. The host's /proc is mounted until then: pids read there are the host's.
"""

import json
import os
import signal
import socket
import stat
import sys
from pathlib import Path

from altostratus.process import run
from devtest.container import cgroups, processes
from devtest.container.spec import Spec, load

# Character devices (name, major, minor, mode); Documentation/admin-guide/devices.txt of Linux.
DEVICES = (
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("tty", 5, 0, 0o666),
    ("net/tun", 10, 200, 0o666),
    ("fuse", 10, 229, 0o666),
    ("loop-control", 10, 237, 0o660),
)
KVM = ("kvm", 10, 232, 0o660)
# Loop devices are the host's; nova-compute attaches one for each lxc instance.
LOOP_MAJOR = 7
LOOP_DEVICES = 128
DEVICE_LINKS = {
    "ptmx": "pts/ptmx",
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
}
# (type, target, options), in this order; devices and cgroups come besides.
MOUNTS = (
    ("proc", "proc", "nosuid,nodev,noexec"),
    ("sysfs", "sys", "nosuid,nodev,noexec"),
    ("tmpfs", "dev", "nosuid,mode=755"),
    ("devpts", "dev/pts", "newinstance,ptmxmode=0666,mode=620,gid=5"),
    ("tmpfs", "dev/shm", "nosuid,nodev,mode=1777"),
    ("tmpfs", "run", "nosuid,nodev,mode=755"),
    ("tmpfs", "tmp", "mode=1777"),
)
# Read-only: settings of the host's kernel. The network namespace's own stay writable.
READ_ONLY = ("proc/sys", "proc/sysrq-trigger")
WRITABLE = ("proc/sys/net",)
# systemd reads these from its own arguments where /proc/cmdline is the host's (version 1 only):
# without a version 2 mount libvirt does not look for one (docs/devtest.md).
LEGACY = (
    "systemd.unified_cgroup_hierarchy=0",
    "systemd.legacy_systemd_cgroup_controller=1",
)
ENVIRONMENT = {
    "container": "lxc",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "linux",
}


def join(spec: Spec, path: Path) -> None:
    """Enter the container's cgroups and go on as ``boot`` in a new cgroup namespace."""
    for directory in json.loads((spec.state / "join.json").read_text()):
        (Path(directory) / "cgroup.procs").write_text("0")
    again = [sys.executable, "-m", "devtest.container.stage", "boot", str(path)]
    os.execvp("unshare", ["unshare", "--cgroup", *again])  # noqa: S606


def boot(spec: Spec) -> None:
    """Prepare the container's file systems and become its init."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    socket.sethostname(spec.name)
    root = spec.root
    for kind, target, options in MOUNTS:
        (root / target).mkdir(parents=True, exist_ok=True)
        run(["mount", "-t", kind, "-o", options, kind, root / target])
        if target == "dev":
            make_devices(root / "dev", Path((spec.state / "tty").read_text()))
    unified = mount_cgroups(root / "sys/fs/cgroup")
    protect(root)
    processes.record(spec.init_pid)
    change_root(root)
    os.execve("/sbin/init", ["/sbin/init", *(() if unified else LEGACY)], ENVIRONMENT)  # noqa: S606


def make_devices(dev: Path, console: Path) -> None:
    """Fill the container's /dev: device nodes, links, the console (a bind of ``console``)."""
    for name in ("pts", "shm", "net", "mqueue", "mapper"):
        (dev / name).mkdir()
    for name, major, minor, mode in (*DEVICES, *((KVM,) if Path("/dev/kvm").exists() else ())):
        _node(dev / name, stat.S_IFCHR, major, minor, mode)
    for number in range(LOOP_DEVICES):
        _node(dev / f"loop{number}", stat.S_IFBLK, LOOP_MAJOR, number, 0o660)
    for name, target in DEVICE_LINKS.items():
        (dev / name).symlink_to(target)
    (dev / "console").touch()
    run(["mount", "--bind", console, dev / "console"])


def _node(path: Path, kind: int, major: int, minor: int, mode: int) -> None:
    os.mknod(path, kind | mode, os.makedev(major, minor))
    # mknod's mode is cut by the umask.
    path.chmod(mode)


def mount_cgroups(base: Path) -> bool:
    """Mount the container's own view of the cgroups; return True for version 2 alone.

    On a mixed host only the version 1 hierarchies are mounted, see LEGACY.
    """
    if cgroups.is_unified():
        run(["mount", "-t", "cgroup2", "-o", "nosuid,nodev,noexec", "cgroup2", base])
        return True
    run(["mount", "-t", "tmpfs", "-o", "nosuid,nodev,noexec,mode=755", "tmpfs", base])
    for entry in cgroups.hierarchies():
        if entry.controllers == cgroups.UNIFIED:
            continue
        cgroups.mount(base, entry)
        for alias in entry.folder.split(","):
            if alias != entry.folder:
                (base / alias).symlink_to(entry.folder)
    return False


def protect(root: Path) -> None:
    """Make the host kernel's settings in the container's /proc read-only."""
    for target in (*READ_ONLY, *WRITABLE):
        if (root / target).exists():
            run(["mount", "--bind", root / target, root / target])
    for target in READ_ONLY:
        if (root / target).exists():
            run(["mount", "-o", "remount,bind,ro", root / target])


def change_root(root: Path) -> None:
    """Make ``root`` the root of this mount namespace and detach the host's (pivot_root(8))."""
    os.chdir(root)
    Path(".old").mkdir(exist_ok=True)
    run(["pivot_root", ".", ".old"])
    os.chroot(".")
    os.chdir("/")
    run(["umount", "--lazy", "/.old"])
    Path("/.old").rmdir()


def main() -> None:
    """Do the step named in argv[1] for the container described by the file in argv[2]."""
    path = Path(sys.argv[2])
    spec = load(path)
    if sys.argv[1] == "join":
        join(spec, path)
    else:
        boot(spec)


if __name__ == "__main__":
    main()
