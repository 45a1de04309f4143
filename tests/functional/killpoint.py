# SPDX-License-Identifier: Apache-2.0
"""Kill a command of the project at a named point of its work: the same moment each time.

``kill(POINT, MODULE, ARGUMENT...)`` runs ``python -m MODULE ARGUMENT...`` with the function of the
product that POINT names wrapped: when it is called, the command gets SIGKILL. The product knows
nothing of it. Helpers that the command starts with its own Python are wrapped as well: a function
that is called in one of them kills the command, and the helper goes on.

A point is MODULE:FUNCTION, the moment before the call; with #2 before the second one, with @left
after it. FUNCTION may be Class.method. MODULE is where the caller looks the name up. All points
are in POINTS, so that a unit test can find those that the product has no longer.
"""

import atexit
import functools
import importlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

POINTS = {
    # container.start: its own steps, then those of the supervisor, which goes on.
    "start: recorded": "devtest.container.owner:take@left",
    "start: network namespace": "devtest.container.hostnet:run#2",
    "start: link": "devtest.container.hostnet:run#3",
    "start: network": "devtest.container.hostnet:up@left",
    "start: supervisor": "devtest.container.lifecycle:_wait_for_init",
    "start: cgroups": "devtest.container.supervisor:mount_root",
    "start: root": "devtest.container.supervisor:prepare_root",
    "start: files": "devtest.container.supervisor:start_init",
    "start: stage": "devtest.container.supervisor:_copy_console",
    "start: init": "devtest.container.lifecycle:_wait_for_init@left",
    # devtest run
    "run: images": "devtest.undercloud:start",
    "run: undercloud": "devtest.undercloud:start@left",
    "run: stack": "devtest.cloud.stacks:follow",
    # devtest node add
    "node: link": "devtest.container.hostnet:up@left",
    "node: configured": "devtest.undercloud.nodes:await_registered",
    # build-images
    "build: begun": "imagebuild.dib:build_root",
    "build: root": "imagebuild.formats:unpack_root",
    "build: unpacked": "imagebuild.packages:list_packages",
    "build: image": "imagebuild.cache:Cache.store",
    "build: stored": "imagebuild.manifest:publish",
}

# Seconds for a command to come to its point, on a loaded machine.
TIMEOUT = 900.0


def kill(point: str, module: str, *arguments: str | Path, **env: str) -> None:
    """Run ``python -m MODULE ARGUMENT...`` and see it killed at the point called ``point``.

    ``env`` is added to the environment. Fails if the command ends without having come there.
    """
    # What the command takes for Python. A file beside it has the command's pid.
    program = Path(tempfile.mkdtemp(dir=_directory()), "python")
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{POINTS[point]}" "$0" "$@"\n'
    )
    program.chmod(0o755)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [program, "-m", module, *arguments]
    ended = subprocess.run(command, env={**os.environ, "PATH": path, **env}, timeout=TIMEOUT)
    assert ended.returncode == -signal.SIGKILL, f"did not come to {POINTS[point]}"


@functools.cache
def _directory() -> Path:
    """Return a directory of this session's: helpers of a killed command go on for a while."""
    made = Path(tempfile.mkdtemp(prefix="altostratus-test-", dir="/var/tmp"))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def resolve(point: str) -> tuple[Any, str]:
    """Return the module or class that has the function of a point, and the function's name."""
    module, _, path = point.partition("@")[0].partition("#")[0].partition(":")
    owner: Any = importlib.import_module(module)
    *outer, name = path.split(".")
    for each in outer:
        owner = getattr(owner, each)
    return owner, name


def arm(point: str, victim: int) -> None:
    """Have the process ``victim`` get SIGKILL when this one comes to ``point``."""
    owner, name = resolve(point)
    function = getattr(owner, name)
    place, _, moment = point.partition("@")
    number = int(place.partition("#")[2] or 1)
    calls = itertools.count(1)

    @functools.wraps(function)
    def wrapped(*positional: Any, **named: Any) -> Any:
        reached = next(calls) == number
        if reached and not moment:
            os.kill(victim, signal.SIGKILL)
        result = function(*positional, **named)
        if reached and moment:
            os.kill(victim, signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


def main() -> None:
    """Be ``python -m MODULE ARGUMENT...``; the arguments before are the point and our name."""
    point, program, dash, module, *arguments = sys.argv[1:]
    assert dash == "-m"
    first = Path(f"{program}.pid")
    if not first.exists():
        first.write_text(str(os.getpid()))
    # As python -m has it, not the directory of this file.
    sys.path[0] = str(Path.cwd())
    sys.executable, sys.argv = program, [module, *arguments]
    arm(point, int(first.read_text()))
    sys.exit(importlib.import_module(module).main())


if __name__ == "__main__":
    main()
