# SPDX-License-Identifier: Apache-2.0
"""System containers from the host's side: start, stop, enter, look into, clean up.

A container is a complete node run with util-linux and iproute2 alone: systemd as init, namespaces
of its own for mounts, pids, IPC, host name, network and cgroups, on an image that stays read-only.
It keeps things apart, but is no security boundary: root inside is root outside.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from altostratus.errors import AltostratusError
from altostratus.files import private_directory, write_text
from altostratus.process import run
from devtest.container import cgroups, hostnet, loops, owner, processes
from devtest.container.spec import Network, Spec, load

# Seconds until PID 1 of the container runs.
START_TIMEOUT = 60.0
# Seconds that a container has to power off. Nested instances are shut down within 20 s (stop-guests
# of the element nova-libvirt), services before and after them in a few.
STOP_TIMEOUT = 60.0
# systemd(1): SIGRTMIN+4 starts poweroff.target.
POWER_OFF = signal.SIGRTMIN + 4
# Written by the element os-config-agents.
REFRESH = "/var/lib/altostratus/refresh.json"
SUPERVISOR = "devtest.container.supervisor"
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


def pid(spec: Spec) -> int | None:
    """Return the host's pid of the container's init, or None when it does not run."""
    return processes.recorded(spec.init_pid)


def start(spec: Spec) -> bool:
    """Start the container unless it runs already; return False in that case.

    Returns when its init runs, not when its services answer. Leftovers of an earlier run that was
    killed are removed first. With another image than last time the container gets a fresh root;
    its data directories stay. Raises AltostratusError with the log's end, or when a container of
    this name runs with another state directory.
    """
    if pid(spec):
        return False
    _clean_after_another(spec)
    clean(spec)
    _fresh_root_for_new_image(spec)
    # On the host other users have the numbers of the container's users.
    private_directory(spec.state)
    for stale in (spec.console, spec.log):
        stale.unlink(missing_ok=True)
    path = spec.save()
    owner.take(spec.name, spec.state)
    try:
        hostnet.up(spec.name, spec.network)
        _start_supervisor(spec, path)
        _wait_for_init(spec)
    except BaseException:
        clean(spec)
        raise
    return True


def other(spec: Spec) -> Path | None:
    """Return the state directory of a running container of the same name that is not ``spec``'s."""
    state = owner.of(spec.name)
    if state is None or state == spec.state or not (state / "spec.json").exists():
        return None
    return state if pid(load(state / "spec.json")) else None


def _clean_after_another(spec: Spec) -> None:
    """Remove what a killed container of the same name left; one that runs is left alone."""
    state = owner.of(spec.name)
    if state is None or state == spec.state:
        return
    if other(spec):
        variable = f"ALTOSTRATUS_STATE={shlex.quote(str(state.parent))}"
        raise AltostratusError(
            f"a container {spec.name} runs already, with its state in {state.parent}",
            f"stop it first: {variable} devtest undercloud stop; "
            "or give this undercloud another name: --name NAME",
        )
    if (state / "spec.json").exists():
        clean(load(state / "spec.json"))
    owner.release(spec.name, state)


def _fresh_root_for_new_image(spec: Spec) -> None:
    key = spec.state / "image"
    if not key.exists() or key.read_text().strip() != spec.image_key:
        for directory in (spec.upper, spec.work):
            if directory.exists():
                shutil.rmtree(directory)
        write_text(key, f"{spec.image_key}\n")


def _start_supervisor(spec: Spec, path: Path) -> None:
    command: list[str | Path] = ["unshare", "--mount", "--propagation", "private"]
    command += [sys.executable, "-m", SUPERVISOR, path]
    if cgroups.is_unified() and Path("/run/systemd/system").is_dir():
        # Version 2 with systemd: only a delegated unit may have cgroups of its own.
        settings = ("Delegate=yes", "KillMode=mixed", "TasksMax=infinity", "LimitNOFILE=1048576")
        unit = ["systemd-run", "--quiet", "--collect", f"--unit={spec.name}"]
        unit += [word for setting in settings for word in ("-p", setting)]
        unit += [
            "-p",
            f"StandardOutput=append:{spec.log}",
            "-p",
            f"StandardError=append:{spec.log}",
        ]
        run([*unit, *command])
    else:
        run(["setsid", "--fork", *command], log=spec.log)


def _wait_for_init(spec: Spec) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    seen = False
    while not _booted(spec):
        alive = processes.recorded(spec.supervisor_pid) is not None
        if (seen and not alive) or time.monotonic() > deadline:
            raise AltostratusError(
                f"the container {spec.name} did not start:\n{tail(spec.log)}{tail(spec.console)}",
                f"the whole output is in {spec.log} and {spec.console}",
            )
        seen = seen or alive
        time.sleep(0.05)


def _booted(spec: Spec) -> bool:
    """Return whether the init runs, and no longer the program of ours that becomes it."""
    init = pid(spec)
    arguments = processes.arguments(init) if init else []
    return bool(arguments) and b"devtest.container.stage" not in arguments


def tail(path: Path, lines: int = 20) -> str:
    """Return the last lines of a text file; nothing if there is no such file."""
    if not path.exists():
        return ""
    return "".join(f"{line}\n" for line in path.read_text(errors="replace").splitlines()[-lines:])


def stop(spec: Spec, timeout: float = STOP_TIMEOUT) -> None:
    """Power the container off, or kill it after ``timeout`` seconds; remove it from the host.

    Its data and the changes of its root are kept in the state directory.
    """
    init = pid(spec)
    if init and timeout:
        os.kill(init, POWER_OFF)
        processes.wait_gone(init, timeout)
    clean(spec)


def clean(spec: Spec) -> None:
    """Remove the container's processes, loop devices, network and cgroups, however they were left.

    It does nothing where there is nothing, and does not touch a container of the same name with
    another state directory. Mounts are in the namespaces of the processes and end with them.
    """
    if owner.of(spec.name) in (None, spec.state):
        _clean_machine(spec)
    for stale in (spec.init_pid, spec.supervisor_pid):
        stale.unlink(missing_ok=True)


def belonging(directory: Path) -> list[Spec]:
    """Return the containers on the machine whose state is below ``directory``, or was.

    One whose state was removed by hand has no image; it is good enough for ``clean``.
    """
    unknown = Network("", "", "")
    return [
        load(state / "spec.json")
        if (state / "spec.json").exists()
        else Spec(name, state, Path(), "", unknown)
        for name, state in owner.below(directory).items()
    ]


def _recover_cgroups(spec: Spec) -> None:
    """Find the container's cgroups again, if its state was removed by hand."""
    if spec.cgroups.exists() or owner.of(spec.name) != spec.state:
        return
    # The process that waits for the init is in the namespace too, but in none of the cgroups.
    for member in hostnet.pids(spec.name):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{member}/cgroup").read_text()
            if cgroups.recover(spec.name, text, spec.cgroups):
                return


def _clean_machine(spec: Spec) -> None:
    _recover_cgroups(spec)
    init = pid(spec)
    own = processes.recorded(spec.supervisor_pid)
    victims = {entry for entry in (own, init) if entry}
    # Once their files and the processes that mounted them are gone, nothing tells whose they were.
    mounted = loops.mounted([each for each in (init, *cgroups.members(spec.cgroups)) if each])
    # Kill until nothing is left: a process may fork meanwhile. A supervisor that has just been
    # started has neither written its pid nor created a cgroup.
    for _ in range(50):
        victims |= set(cgroups.members(spec.cgroups)) - {os.getpid()}
        victims |= set(processes.with_arguments(SUPERVISOR, spec.path))
        if not victims:
            break
        processes.kill(victims)
        for victim in victims:
            processes.wait_gone(victim, 5.0)
        victims = set()
    loops.detach(spec.state / "data")
    loops.detach_orphaned(mounted)
    hostnet.down(spec.name, spec.network)
    _remove_cgroups(spec)
    owner.release(spec.name, spec.state)


def _remove_cgroups(spec: Spec) -> None:
    if not spec.cgroups.exists():
        return
    base = spec.state / "cgroup"
    base.mkdir(exist_ok=True)
    private = ["unshare", "--mount", "--propagation", "private"]
    run([*private, sys.executable, "-m", "devtest.container.cgroups", base, spec.cgroups])
    spec.cgroups.unlink()


def enter_command(spec: Spec, command: Sequence[str]) -> list[str]:
    """Return the argument list that runs ``command`` as root inside the container.

    Raises AltostratusError when it does not run.
    """
    init = pid(spec)
    if init is None:
        raise AltostratusError(
            f"the container {spec.name} does not run", "start it: devtest undercloud start"
        )
    environment = [f"{name}={value}" for name, value in ENVIRONMENT.items()]
    term = f"TERM={os.environ.get('TERM', 'dumb')}"
    target = ["nsenter", f"--target={init}", *NAMESPACES, "--"]
    return [*target, "env", "-i", *environment, term, *command]


def inside(spec: Spec, *command: str, timeout: float = 60.0) -> str:
    """Run ``command`` inside the container and return what it printed; see ``process.run``."""
    return run(enter_command(spec, command), timeout=timeout).stdout


def file_of(spec: Spec, path: str) -> Path | None:
    """Return where the host sees the file ``path`` of the running container, None when stopped."""
    init = pid(spec)
    return Path(f"/proc/{init}/root") / path.lstrip("/") if init else None


def memory(spec: Spec, *, instances: bool = False, containing: str = "") -> int:
    """Return the proportional set size (bytes) of the container's processes.

    Those of its lxc and docker instances, which run in pid namespaces of their own, count only with
    ``instances``. ``containing`` selects the processes with this text in their command line.
    """
    init = pid(spec)
    if init is None:
        return 0
    own = Path(f"/proc/{init}/ns/pid").readlink()
    total = 0
    for candidate in cgroups.members(spec.cgroups):
        try:
            inside = Path(f"/proc/{candidate}/ns/pid").readlink() == own
            command = Path(f"/proc/{candidate}/cmdline").read_bytes().decode(errors="replace")
            if (inside or instances) and containing in command:
                total += _pss(candidate)
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def _pss(candidate: int) -> int:
    for line in Path(f"/proc/{candidate}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def refresh_state(spec: Spec) -> dict[str, Any]:
    """Return what the container's last os-refresh-config run reported, empty if it has not ended.

    The file is written by the element os-config-agents: ``state`` is starting, waiting, applying,
    applied or failed; a failed one has ``script`` and ``log`` (lines).
    """
    path = file_of(spec, REFRESH)
    try:
        report: dict[str, Any] = json.loads(path.read_text()) if path else {}
    except (FileNotFoundError, ProcessLookupError, json.JSONDecodeError):
        return {}
    return report
