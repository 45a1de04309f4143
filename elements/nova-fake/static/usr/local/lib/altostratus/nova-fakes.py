#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""nova-fakes.py: several nova-compute processes with the fake driver, forked from one parent.

The parent imports Nova once and does nothing else, so that its children share the memory: each
takes a third of what a separate process would. Child i has the host COMPUTE_HOSTNAME-i, the state
path STATE_PATH/i and the lock path LOCK_PATH/i. A child that ends is started again. These names and
COUNT, the number of children, are environment variables. SIGTERM ends all children.
"""

import gc
import os
import random
import signal
import sys
import traceback
from pathlib import Path
from typing import NoReturn

# Before other modules of Nova: it patches the standard library.
from nova.cmd import compute  # isort: skip
import eventlet.patcher
import kombu.transport.pyamqp  # noqa: F401 - imported so that children need not import it
import nova.compute.manager
import nova.conductor.rpcapi
import nova.objects
import oslo_messaging._drivers.impl_rabbit  # noqa: F401

from novadrivers import fake, patches  # noqa: F401

# Not the patched ones: they would create an event loop, which children must not inherit.
sleep = eventlet.patcher.original("time").sleep
wait = eventlet.patcher.original("os").wait

SHARED = (
    "/etc/nova/nova.conf",
    "/etc/nova/compute/shared.conf",
    "/etc/nova/compute/nova-fake.conf",
)
"""Configuration files of all children."""
STAGGER_SECONDS = 1.0
"""Time between two starts, each of which keeps one CPU busy."""
RESTART_SECONDS = 3.0
"""Time from the end of a child until it is started again."""
CONFIGURATION = """\
[DEFAULT]
host = {host}
state_path = {state}
instances_path = {state}/instances

[oslo_concurrency]
lock_path = {lock}
"""


def write_configuration(number: int) -> Path:
    """Write the configuration file of child ``number``, make its directories, return the path."""
    state = Path(os.environ["STATE_PATH"], str(number))
    lock = Path(os.environ["LOCK_PATH"], str(number))
    for directory in (state / "instances", lock):
        directory.mkdir(parents=True, exist_ok=True)
    path = state / "nova.conf"
    host = f"{os.environ['COMPUTE_HOSTNAME']}-{number}"
    path.write_text(CONFIGURATION.format(host=host, state=state, lock=lock), encoding="utf-8")
    return path


def run(number: int) -> NoReturn:
    """Run nova-compute ``number`` in this process, and end the process."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        random.seed()
        files = [*SHARED, str(write_configuration(number))]
        sys.argv = ["nova-compute", *(word for file in files for word in ("--config-file", file))]
        compute.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def fork(number: int, last: int) -> int:
    """Start child ``number`` and return its PID; only child ``last`` notifies systemd."""
    pid = os.fork()
    if pid == 0:
        if number != last:
            os.environ.pop("NOTIFY_SOCKET", None)
        run(number)
    return pid


def main() -> int:
    """Start the children and restart those that end, until SIGTERM."""
    patches.install()
    nova.objects.register_all()
    gc.collect()
    gc.freeze()
    last = int(os.environ["COUNT"]) - 1
    children: dict[int, int] = {}
    stopping: list[bool] = []

    def stop(*_: object) -> None:
        stopping.append(True)
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for number in range(last + 1):
        if not stopping:
            children[fork(number, last)] = number
            sleep(STAGGER_SECONDS)
    while children:
        pid, status = wait()
        number = children.pop(pid)
        if not stopping:
            print(f"nova-compute {number} ended: {os.waitstatus_to_exitcode(status)}", flush=True)
            sleep(RESTART_SECONDS)
            children[fork(number, last)] = number
    return 0


if __name__ == "__main__":
    sys.exit(main())
