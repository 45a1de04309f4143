#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures generate-stacks for 1000 instances, and ``--help`` of every command.

Run in the project's environment: ``python benchmarks/generate.py``. Each figure is the best of
several runs, since other work on the machine only ever adds time; the load is printed with them.
The limits are 1 s and 150 ms.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from altostratus import process
from altostratus.console import CommandParser, run_command

RUNS = 5
COMMANDS = (
    *("build-images", "load-image", "generate-stacks", "setup-neutron", "setup-flavors"),
    *("register-nodes", "devtest"),
)
SERVICES = ["mariadb", "memcached", "keystone", "glance"]


def cloud(roles: int, count: int) -> str:
    """Return a cloud file with a controller and ``roles`` other roles of ``count`` instances."""
    networks = {
        "ctlplane": {"cidr": "10.0.0.0/16", "gateway": "10.0.0.1"},
        "internal": {"vlan": 201, "cidr": "10.1.0.0/16"},
    }
    more = {
        f"role-{number:04}": {"services": ["glance"], "count": count} for number in range(roles)
    }
    content = {
        "name": "large",
        "hypervisors": ["lxc"],
        "networks": networks,
        "service_network": "internal",
        "roles": {"controller": {"services": SERVICES}, **more},
    }
    return yaml.safe_dump(content, sort_keys=False)


def best(action: Callable[[], None]) -> float:
    """Return the shortest time in seconds of RUNS runs."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        action()
        times.append(time.perf_counter() - started)
    return min(times)


def command(*argv: str | Path) -> Callable[[], None]:
    """Return an action that runs a command of this environment."""
    program = Path(sys.executable).parent / str(argv[0])

    def run() -> None:
        process.run([program, *argv[1:]])

    return run


def measure(args: argparse.Namespace) -> int:
    """Print the figures; return 1 if one exceeds its limit."""
    figures: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        for roles, count in ((10, 100), (100, 10), (999, 1)):
            file = Path(folder) / f"{roles}.yaml"
            file.write_text(cloud(roles, count))
            out = Path(folder) / f"out-{roles}"
            name = f"generate-stacks, {roles} roles of {count}"
            figures.append((name, best(command("generate-stacks", "-q", file, "-o", out)), 1.0))
    figures += [(f"{name} --help", best(command(name, "--help")), 0.15) for name in COMMANDS]
    for name, seconds, limit in figures:
        verdict = "" if seconds <= limit else "  EXCEEDED"
        print(f"{name:40} {seconds * 1000:7.0f} ms   limit {limit * 1000:5.0f} ms{verdict}")
    print(f"load {' '.join(f'{one:.1f}' for one in os.getloadavg())}, {os.cpu_count()} CPUs")
    return int(any(seconds > limit for _, seconds, limit in figures))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(measure, CommandParser(description=__doc__.splitlines()[0]), argv)


if __name__ == "__main__":
    sys.exit(main())
