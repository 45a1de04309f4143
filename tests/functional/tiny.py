# SPDX-License-Identifier: Apache-2.0
"""Tiny guests: one program, a lease and an answer to pings; a few MiB, up in a second.

For what many servers at once prove: placement, and what is left behind. Their init makes a control
group of its own, as that of target-lxc does. Images of the project's own
elements are tested elsewhere.
"""

import shutil
import subprocess
from pathlib import Path

from altostratus.hypervisors import HYPERVISORS
from imagebuild import formats

INIT = """\
#!/bin/busybox sh
busybox mkdir -p /proc /sys /dev /tmp
if [ "$container" = lxc-libvirt ] && busybox grep -q :name=systemd: /proc/self/cgroup; then
    path=$(busybox sed -n s/.*:name=systemd://p /proc/self/cgroup)
    busybox mount -t cgroup -o none,name=systemd cgroup /tmp
    busybox mkdir -p "/tmp$path/$LIBVIRT_LXC_NAME/init.scope"
    echo 1 > "/tmp$path/$LIBVIRT_LXC_NAME/init.scope/cgroup.procs"
    busybox umount /tmp
fi
busybox ip link set lo up
busybox ip link set eth0 up
busybox udhcpc -i eth0 -s /etc/udhcpc -q -t 20 -T 1
echo tiny guest is up
while :; do busybox sleep 3600; done
"""
LAST_WORDS = "cannot be an init: too many open files"
BROKEN = f"""\
#!/bin/busybox sh
echo {LAST_WORDS}
exit 1
"""
"""An init that ends at once."""
LEASE = """\
#!/bin/busybox sh
[ "$1" = bound ] || exit 0
busybox ip address add "$ip/$mask" dev "$interface"
[ -z "$router" ] || busybox ip route add default via "$router"
"""


def root(target: Path, init: str = INIT) -> Path:
    """Make the root of a tiny guest in the new directory ``target``, of this machine's busybox.

    ``init`` is the text of its first program.
    """
    busybox = shutil.which("busybox")
    assert busybox, "install busybox-static"
    (target / "bin").mkdir(parents=True)
    shutil.copy(busybox, target / "bin/busybox")
    for name in ("dev", "etc", "proc", "run", "root", "sbin", "sys", "tmp", "var"):
        (target / name).mkdir(exist_ok=True)
    for path, text in {"sbin/init": init, "etc/udhcpc": LEASE}.items():
        (target / path).write_text(text)
        (target / path).chmod(0o755)
    # "sleep" holds the network namespace of a docker instance.
    for name in ("sh", "sleep"):
        (target / "bin" / name).symlink_to("busybox")
    return target


def image(hypervisor: str, directory: Path, name: str = "tiny", init: str = INIT) -> Path:
    """Return the image file of a tiny guest for a hypervisor type, made below ``directory``.

    Nothing boots where a kernel would have to: placement needs none. Each ``init`` needs a ``name``
    of its own.
    """
    target = directory / f"{name}-{hypervisor}.{HYPERVISORS[hypervisor].suffix}"
    if target.exists():
        return target
    if hypervisor in ("lxc", "docker"):
        tree = directory / f"{name}-root"
        tree = tree if tree.exists() else root(tree, init)
        formats.write(hypervisor, tree, target, "tiny", partition=False)
    else:
        create = ["qemu-img", "create", "-q", "-f", "qcow2", target, "8M"]
        subprocess.run(create, check=True)
    return target
