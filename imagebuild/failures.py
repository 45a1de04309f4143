# SPDX-License-Identifier: Apache-2.0
"""What can be done about a failed build: look into its root by a shell, and keep it.

For that diskimage-builder must leave the root behind: ``dib.Place.keep_root``.
"""

import threading
from collections.abc import Mapping
from pathlib import Path

from altostratus import process
from imagebuild.isolation import isolated

# Where the root is at the stages of a build: disk-image-create's mount path, what it calls built
# between two stages, and ours when the image file is being written.
_ROOTS = ("tmp/dib_build.*/mnt", "tmp/dib_build.*/built", "image")
_HOOKS = "../hooks"

# Arguments: the root, the directory of hooks. The mounts are those of disk-image-create's
# mount_proc_dev_sys and run_d_in_target, which has the hooks in /tmp/in_target.d.
_SHELL = """
set -eu
root=$1 hooks=$2
mount -t proc none "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs -o ro none "$root/sys"
if [ -d "$hooks" ]; then
    mkdir -p "$root/tmp/in_target.d"
    mount --bind -o ro "$hooks" "$root/tmp/in_target.d"
fi
cd /
shell='exec "$(command -v bash || command -v sh)" -i'
exec env -u TMPDIR HOME=/root chroot "$root" /bin/sh -c "$shell"
"""


def find_root(work: Path) -> Path | None:
    """Return the root of the failed build in the work directory ``work``, None if it has none."""
    candidates = (path for pattern in _ROOTS for path in sorted(work.glob(pattern)))
    return next((path for path in candidates if (path / "usr").is_dir()), None)


def open_shell(
    root: Path, work: Path, environment: Mapping[str, str], stop: threading.Event
) -> None:
    """Run a shell on the terminal in ``root``, with the mounts that diskimage-builder has there.

    It ends when the user leaves it, or when ``stop`` is set. ``work`` is the build's work
    directory, ``environment`` is added to the shell's variables.
    """
    enter = ["bash", "-c", _SHELL, "shell", str(root), str(root / _HOOKS)]
    process.interact(isolated(enter, work), env=environment, stop=stop)


def keep(work: Path, directory: Path, name: str) -> Path:
    """Move the work directory ``work`` of the build of ``name`` below ``directory``.

    Returns its new path: NAME, or NAME.2 and so on if earlier ones are there. Both are on the same
    file system.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path, number = directory / name, 2
    while path.exists():
        path, number = directory / f"{name}.{number}", number + 1
    return work.rename(path)


def kept(directory: Path) -> list[Path]:
    """Return the work directories that ``keep`` has moved below ``directory``, by name."""
    return sorted(directory.iterdir()) if directory.is_dir() else []
