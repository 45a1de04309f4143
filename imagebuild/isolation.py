# SPDX-License-Identifier: Apache-2.0
"""Runs a command so that nothing of it outlives us and it cannot harm the machine.

It has mount and process namespaces of its own: however it ends, its processes die with its first
one (which dies with us), and its mounts with them. It sees a small ``/dev`` of its own, so that
neither a careless hook nor a failed unmount can touch the machine's devices.
"""

from collections.abc import Sequence
from pathlib import Path

_NAMESPACES = (
    *("unshare", "--mount", "--propagation", "private", "--pid", "--fork"),
    *("--kill-child", "--mount-proc", "--"),
)

# Arguments: the work directory, the command.
# diskimage-builder calls mmdebstrap by sudo, which takes TMPDIR from it; killed, it would leave
# what it has in /tmp. What others have there must be seen, elements may be among it: hence a layer
# over it, where the file systems can do that.
# The umask would shape modes in the image.
# diskimage-builder's output filter may still be writing when its main process has failed, and would
# die with the process namespace: hence the pause.
_ENTER = """
set -eu
umask 022
work=$1 new=$1/dev
shift
case $work in
    /tmp/*) ;;
    *)
        layer=lowerdir=/tmp,upperdir=$work/layer/upper,workdir=$work/layer/work
        mkdir -p "$work/layer/upper" "$work/layer/work"
        chmod 1777 "$work/layer/upper"
        mount -t overlay -o "$layer" tmp /tmp || echo "/tmp cannot have a layer; going on without"
        ;;
esac
mount -t tmpfs -o mode=0755 dev "$new"
mkdir "$new/pts" "$new/shm"
mknod -m 666 "$new/null" c 1 3
mknod -m 666 "$new/zero" c 1 5
mknod -m 666 "$new/full" c 1 7
mknod -m 666 "$new/random" c 1 8
mknod -m 666 "$new/urandom" c 1 9
mknod -m 666 "$new/tty" c 5 0
mount -t devpts -o newinstance,ptmxmode=0666,mode=0620,gid=5 devpts "$new/pts"
mount -t tmpfs -o mode=1777 shm "$new/shm"
ln -s pts/ptmx "$new/ptmx"
ln -s /proc/self/fd "$new/fd"
ln -s fd/0 "$new/stdin"
ln -s fd/1 "$new/stdout"
ln -s fd/2 "$new/stderr"
mount --move "$new" /dev
"$@" || { code=$?; sleep 1; exit $code; }
"""


def isolated(command: Sequence[str], work: Path) -> list[str]:
    """Return the arguments that run ``command`` isolated; ``work`` is its work directory.

    ``work`` must have an empty directory ``dev``.
    """
    return [*_NAMESPACES, "bash", "-c", _ENTER, "enter", str(work), *command]
