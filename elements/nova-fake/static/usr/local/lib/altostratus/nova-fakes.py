#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""nova-fakes.py: several nova-compute processes with the fake driver, forked from one parent.

The parent imports Nova once and does nothing else, so that its children share the memory: each
takes a third of what a process of its own would. Child i is the host COMPUTE_HOSTNAME-i with the
state path STATE_PATH/i and its locks in LOCK_PATH/i; one that ends is started again. Environment:
COMPUTE_HOSTNAME, STATE_PATH, LOCK_PATH, COUNT. SIGTERM ends all of them.
"""

import gc
import os
import random
import signal
import sys
import traceback
from pathlib import Path

# First: it patches the standard library.
from nova.cmd import compute  # isort: skip
import eventlet.patcher
import kombu.transport.pyamqp  # noqa: F401 - what children would import one by one
import nova.compute.manager
import nova.conductor.rpcapi
import nova.objects
import oslo_messaging._drivers.impl_rabbit  # noqa: F401

from novadrivers import fake, patches  # noqa: F401

# The patched ones would make an event loop, which children must not inherit.
sleep = eventlet.patcher.original("time").sleep
wait = eventlet.patcher.original("os").wait

SHARED = (
    "/etc/nova/nova.conf",
    "/etc/nova/compute/shared.conf",
    "/etc/nova/compute/nova-fake.conf",
)
# Seconds between two starts, which take a processor each, and before a start after a failure.
STAGGER = 1.0
RESTART = 3.0
CONFIGURATION = """\
[DEFAULT]
host = {host}
state_path = {state}
instances_path = {state}/instances

[oslo_concurrency]
lock_path = {lock}
"""


def configuration(number):
    """Write the configuration of child ``number`` and return its path."""
    state = Path(os.environ["STATE_PATH"], str(number))
    lock = Path(os.environ["LOCK_PATH"], str(number))
    for directory in (state / "instances", lock):
        directory.mkdir(parents=True, exist_ok=True)
    path = state / "nova.conf"
    host = f"{os.environ['COMPUTE_HOSTNAME']}-{number}"
    path.write_text(CONFIGURATION.format(host=host, state=state, lock=lock), encoding="utf-8")
    return path


def run(number):
    """Be the nova-compute ``number``; never returns."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        random.seed()
        files = [*SHARED, str(configuration(number))]
        sys.argv = ["nova-compute", *(word for file in files for word in ("--config-file", file))]
        compute.main()
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def fork(number, last):
    """Start child ``number``; the last one's word that it works is the unit's. Return the pid."""
    pid = os.fork()
    if pid == 0:
        if number != last:
            os.environ.pop("NOTIFY_SOCKET", None)
        run(number)
    return pid


def main():
    """Start the children and keep them running until SIGTERM."""
    patches.install()
    nova.objects.register_all()
    gc.collect()
    gc.freeze()
    last = int(os.environ["COUNT"]) - 1
    children = {}
    stopping = []

    def stop(*_):
        stopping.append(True)
        for pid in children:
            os.kill(pid, signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    for number in range(last + 1):
        if not stopping:
            children[fork(number, last)] = number
            sleep(STAGGER)
    while children:
        pid, status = wait()
        number = children.pop(pid)
        if not stopping:
            print(f"nova-compute {number} ended: {os.waitstatus_to_exitcode(status)}", flush=True)
            sleep(RESTART)
            children[fork(number, last)] = number
    return 0


if __name__ == "__main__":
    sys.exit(main())
