# SPDX-License-Identifier: Apache-2.0
"""The process that holds a system container: its mounts, its cgroups, its console.

``devtest.container`` starts it in a private mount namespace (``unshare --mount``); what it mounts
goes when the last process of that namespace ends, whatever ends it. The loop device below the
image goes with its mount (mount(8) sets it up with autoclear).
"""

import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

from altostratus.errors import AltostratusError
from altostratus.files import write_json, write_text
from altostratus.process import run
from devtest.container import cgroups, processes
from devtest.container.lifecycle import REFRESH
from devtest.container.spec import Spec, load


def mount_root(spec: Spec) -> None:
    """Mount the container's root: image, changes above it, directories of the host inside."""
    for directory in (spec.lower, spec.upper, spec.work, spec.root):
        directory.mkdir(parents=True, exist_ok=True)
    run(["mount", "-o", "loop,ro", spec.image, spec.lower], die_with_parent=True)
    layers = f"lowerdir={spec.lower},upperdir={spec.upper},workdir={spec.work}"
    run(["mount", "-t", "overlay", "-o", layers, "overlay", spec.root])
    for target in spec.data:
        source = seed_data(spec, target)
        _bind(source, spec.root / target.lstrip("/"))
    for target, source_name in spec.binds.items():
        _bind(Path(source_name), spec.root / target.lstrip("/"))


def _bind(source: Path, target: Path) -> None:
    source.mkdir(parents=True, exist_ok=True)
    target.mkdir(parents=True, exist_ok=True)
    run(["mount", "--bind", source, target])


def seed_data(spec: Spec, target: str) -> Path:
    """Return the data directory for ``target``, first made as a copy of the image's.

    A new image may number its users differently: what belonged to the directory's old owner then
    gets the new one.
    """
    source = spec.lower / target.lstrip("/")
    directory = spec.data_directory(target)
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            copy = directory.with_suffix(".new")
            shutil.rmtree(copy, ignore_errors=True)
            run(["cp", "--archive", source, copy], die_with_parent=True)
            copy.rename(directory)
        else:
            directory.mkdir()
    elif source.is_dir():
        _follow_owner(directory, directory.stat(), source.stat())
    return directory


def _follow_owner(directory: Path, old: os.stat_result, new: os.stat_result) -> None:
    if (old.st_uid, old.st_gid) == (new.st_uid, new.st_gid):
        return
    for path in [*directory.rglob("*"), directory]:
        status = path.lstat()
        uid = new.st_uid if status.st_uid == old.st_uid else status.st_uid
        gid = new.st_gid if status.st_gid == old.st_gid else status.st_gid
        os.chown(path, uid, gid, follow_symlinks=False)


def prepare_root(spec: Spec) -> None:
    """Write the files and secrets of this container into its mounted root.

    The report of an earlier start is deleted, so that nothing takes it for this one's.
    """
    for path, text in spec.files.items():
        write_text(spec.root / path.lstrip("/"), text, follow=False)
    for path, source in spec.secrets.items():
        text = Path(source).read_text()
        write_text(spec.root / path.lstrip("/"), text, mode=0o600, follow=False)
    (spec.root / REFRESH.lstrip("/")).unlink(missing_ok=True)


def start_init(spec: Spec, path: Path) -> subprocess.Popen[bytes]:
    """Start the chain that ends in the container's /sbin/init; its console is our pseudo-terminal.

    Returns the process outside the new pid namespace, which ends with it.
    """
    master, slave = pty.openpty()
    attributes = termios.tcgetattr(slave)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(slave, termios.TCSANOW, attributes)
    write_text(spec.state / "tty", os.ttyname(slave))
    child = subprocess.Popen(
        [
            *("nsenter", f"--net=/run/netns/{spec.name}"),
            *("unshare", "--uts", "--ipc", "--pid", "--mount", "--propagation", "private"),
            *("--fork", "--kill-child=SIGKILL"),
            *(sys.executable, "-m", "devtest.container.stage", "join", str(path)),
        ],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        pass_fds=(),
    )
    os.close(slave)
    _copy_console(master, child, spec.console)
    return child


def _copy_console(master: int, child: subprocess.Popen[bytes], path: Path) -> None:
    """Append what appears on the console to ``path`` until the container ends."""
    path.touch(mode=0o600)
    with path.open("ab", buffering=0) as log:
        while child.poll() is None:
            try:
                log.write(os.read(master, 65536))
            except OSError:
                # EIO: nobody has the terminal open just now (a getty hung it up).
                time.sleep(0.2)


def main() -> int:
    """Hold the container described by the file in argv[1] until it ends."""
    path = Path(sys.argv[1])
    spec = load(path)
    # A hangup of the console must not end us, nor what we start.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    processes.record(spec.supervisor_pid)
    base = spec.state / "cgroup"
    base.mkdir(exist_ok=True)
    try:
        run(["mount", "-t", "tmpfs", "cgroups", base])
        directories = cgroups.create(base, spec.name, spec.cgroups)
        write_json(spec.state / "join.json", [str(directory) for directory in directories])
        mount_root(spec)
        prepare_root(spec)
        return start_init(spec, path).returncode
    except AltostratusError as error:
        print(f"error: {error.message}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
