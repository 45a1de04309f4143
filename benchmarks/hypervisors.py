#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The hypervisor types side by side: one memcached instance on each, in one run.

    .venv/bin/python benchmarks/hypervisors.py [--type TYPE]… [--json FILE]

Needs an undercloud that runs (``devtest build``, ``devtest undercloud start``) and carries the
types. For each type the image is built with an empty cache (cold), anew on the cached base layer
with the packages at hand (build), and again unchanged. When the disk is at rest, each is loaded and
an instance deployed by Heat twice, first with an image that the node has never seen, then with the
image cached; then deleted. Seconds count from the request to Heat. Memory is what the undercloud's
node takes more (PSS) when the instance is configured, and that of the type's nova-compute with its
helpers. Prints a table and charts.
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import yaml

from altostratus.console import CommandParser, Progress, run_command
from altostratus.hypervisors import HYPERVISORS
from devtest import clouds, undercloud
from devtest.cloud import deploy, stacks
from devtest.cloud.cloudfiles import RAMDISK
from devtest.cloud.steps import Steps
from devtest.container import memory
from devtest.report import table
from devtest.tools import tool
from devtest.workspace import Workspace, find
from generator.output.generated import ProviderNetwork
from imagebuild import manifest

MIB = 1024**2
BAR = 50
# Seconds until the disk has forgotten the builds: for so long ext4 without a journal passes over
# each inode that was deleted (RECENTCY_MIN + RECENTCY_DIRTY in fs/ext4/ialloc.c), and unpacking an
# image takes four times as long.
REST = 360
BUILDS = ("cold", "build", "again")
FIGURES = (*BUILDS, "active", "signalled", "cached active", "cached signalled", "delete")


@dataclass
class Row:
    """The figures of one type: seconds, MiB."""

    hypervisor: str
    seconds: dict[str, float] = field(default_factory=dict)
    image: float = 0.0
    memory: float = 0.0
    nova_compute: float = 0.0

    @contextlib.contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Record how long the body takes."""
        started = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - started


def cloud_text(hypervisor: str, network: ProviderNetwork) -> str:
    """Return a cloud file: the smallest service in one instance of a type, on ``network``."""
    router = {"type": "flat", "cidr": str(network.cidr), "gateway": network.gateway}
    pool = {"pool": [str(network.cidr[100]), str(network.cidr[250])]}
    flavor = {"ram": 768, "disk": 4}
    content = {
        "name": f"bench-{hypervisor}",
        "hypervisors": [hypervisor],
        "networks": {network.name: router | pool},
        "service_network": network.name,
        "public_network": network.name,
        "roles": {"memcached": {"services": ["memcached"], "flavor": flavor}},
    }
    return yaml.safe_dump(content, sort_keys=False)


def since(request: float, stamp: str) -> float:
    """Return the seconds from a Unix time to a time stamp of Heat (UTC, whole seconds)."""
    moment = datetime.datetime.fromisoformat(stamp.rstrip("Z")).replace(tzinfo=datetime.UTC)
    return max(0.0, moment.timestamp() - request)


def run_deployment(steps: Steps, row: Row, prefix: str) -> None:
    """Deploy the cloud of ``steps`` and record when its server was active and configured."""
    node = undercloud.current(steps.workspace)
    before = memory(node, instances=True)
    # A daemon that syncs an image would wait for what uploads have left to write.
    os.sync()
    request = time.time()
    steps.deploy()
    heat = stacks.client(steps.connect())
    for event in heat.events.list(steps.cloud, nested_depth=stacks.NESTED_DEPTH):
        if event.resource_status == "CREATE_COMPLETE":
            name = {"server": "active", "deployment": "signalled"}.get(event.resource_name)
            if name:
                row.seconds[prefix + name] = since(request, event.event_time)
    row.memory = (memory(node, instances=True) - before) / MIB
    configuration = f"/etc/nova/compute/nova-{row.hypervisor}.conf"
    row.nova_compute = memory(node, containing=configuration) / MIB


def prepare(workspace: Workspace, row: Row, directory: Path) -> Steps:
    """Build the image of a type, and return the steps that deploy it."""
    name = f"bench-{row.hypervisor}"
    file = directory / f"{name}.yaml"
    network = workspace.generated(undercloud.CLOUD).networks[0]
    file.write_text(cloud_text(row.hypervisor, network))
    steps = Steps(workspace, name, file, Progress())
    tool("generator.generate", [file, "-o", workspace.stacks(name)])
    build(row, steps.generated.images, workspace.images(name))
    if HYPERVISORS[row.hypervisor].bare_metal:
        tool("imagebuild.build", ["--deploy-ramdisk", "-o", workspace.images(RAMDISK)])
    return steps


def measure(steps: Steps, row: Row) -> None:
    """Deploy and delete one instance, then another."""
    steps.load()
    run_deployment(steps, row, "")
    heat = stacks.client(steps.connect())
    stacks.delete(heat, steps.cloud)
    run_deployment(steps, row, "cached ")
    with row.timed("delete"):
        stacks.delete(heat, steps.cloud, deploy.TIMEOUT)


def build(row: Row, listed: Path, images: Path) -> None:
    """Record how long the image takes: from nothing, on the base layer, and unchanged."""
    # On the file system of the others, where the image is a link as ever.
    with tempfile.TemporaryDirectory(dir=images.parent) as empty:
        cache, built = Path(empty, "cache"), Path(empty, "images")
        command: list[str | Path] = ["-c", listed, "-o", built]
        environment = {"ALTOSTRATUS_CACHE": str(cache)}
        with row.timed("cold"):
            tool("imagebuild.build", command, environment)
        for directory in (cache / "images", built):
            shutil.rmtree(directory)
        with row.timed("build"):
            tool("imagebuild.build", command, environment)
        with row.timed("again"):
            tool("imagebuild.build", command, environment)
    tool("imagebuild.build", ["-c", listed, "-o", images])
    row.image = sum(path.stat().st_blocks * 512 for path in image_files(images)) / MIB


def image_files(directory: Path) -> list[Path]:
    """Return the image files that the manifest of ``directory`` names."""
    return [directory / record["file"] for record in manifest.published(directory).values()]


def chart(rows: Sequence[Row], figure: str) -> str:
    """Return one bar for each type."""
    most = max(row.seconds[figure] for row in rows) or 1.0
    lines = [f"{figure}, seconds"]
    for row in rows:
        seconds = row.seconds[figure]
        bar = "█" * max(1, round(BAR * seconds / most))
        lines.append(f"  {row.hypervisor:8}{bar} {seconds:.1f}")
    return "\n".join(lines)


def show(rows: Sequence[Row]) -> None:
    """Print the table and the charts."""
    cells: list[list[Any]] = [
        [row.hypervisor, f"{row.image:.0f}", *(row.seconds[name] for name in FIGURES)]
        + [f"{row.memory:.0f}", f"{row.nova_compute:.0f}"]
        for row in rows
    ]
    print(table(cells, ["type", "image MiB", *FIGURES, "memory MiB", "nova-compute MiB"]))
    print(chart(rows, "signalled"), chart(rows, "cached signalled"), sep="\n\n")
    print(f"\nload {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")


def writable(name: str) -> Path:
    """Return the path of a file that the figures can be written to, after an hour of measuring."""
    path = Path(name)
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"{name}: no file can be written there")
    return path


def compare(args: argparse.Namespace) -> None:
    """Measure the types that were asked for."""
    workspace = find()
    # Not after minutes of building.
    clouds.connect(workspace, undercloud.CLOUD).authorize()
    rows = [Row(hypervisor) for hypervisor in args.types or HYPERVISORS]
    with tempfile.TemporaryDirectory() as directory:
        steps = [prepare(workspace, row, Path(directory)) for row in rows]
        Progress().note(f"wait {REST} s for the disk to be at rest")
        time.sleep(REST)
        for each, row in zip(steps, rows, strict=True):
            measure(each, row)
            if args.json:
                args.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
    show(rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    parser.add_argument("--type", action="append", choices=list(HYPERVISORS), dest="types")
    parser.add_argument("--json", type=writable, metavar="FILE")
    return run_command(compare, parser, argv)


if __name__ == "__main__":
    sys.exit(main())
