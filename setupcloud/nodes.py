# SPDX-License-Identifier: Apache-2.0
"""``register-nodes``: enrolls the machines of ``nodes.json`` with Ironic and makes them available.

This module is the command and the check of its file; ``setupcloud.baremetal`` compares with Ironic.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from altostratus.clients.glance import Glance
from altostratus.clients.sdk import connected
from altostratus.console import CommandParser, Progress, run_command
from altostratus.errors import AltostratusError
from altostratus.yamlfile import document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from setupcloud import baremetal, command
from setupcloud.baremetal import DRIVERS, Boot

KERNEL, RAMDISK = "bm-deploy-kernel", "bm-deploy-ramdisk"
# Seconds.
TIMEOUT = 600
# Which action takes a node without a server from its provision state towards "available", and the
# state that follows. In all other states somebody is at work; "error" follows a failed deletion.
# https://docs.openstack.org/ironic/latest/user/states.html
_NEXT = {
    "error": ("deleted", "available"),
    "enroll": ("manage", "manageable"),
    "clean failed": ("manage", "manageable"),
    "inspect failed": ("manage", "manageable"),
    "manageable": ("provide", "available"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the nodes of the file ``path``, of the form ``setupcloud.baremetal.NODES``.

    Raises InvalidInputError with every problem of the file.
    """
    document.require(path, "docs/register-nodes.md says what is in it")
    report = Report()
    node = document.load(path, report)
    if schema.check(node, baremetal.NODES, report, "nodes file"):
        listed = node.fields["nodes"].items
        for one in listed:
            _check_node(one, report)
        schema.check_unique((one.get("name") for one in listed), "name", report)
        schema.check_unique(
            (mac for one in listed for mac in one.fields["mac"].items), "mac", report
        )
    report.raise_if_any()
    nodes: list[dict[str, Any]] = node.plain()["nodes"]
    return nodes


def _check_node(node: Node, report: Report) -> None:
    kind = node.fields["pm_type"]
    driver = DRIVERS[str(kind.value)]
    for word in driver.required:
        if word not in node.fields:
            message = f"a node with pm_type {kind.value} needs '{word}'"
            report.add(node.mark, message, f"add '{word}'")
    if ("kernel_id" in node.fields) != ("ramdisk_id" in node.fields):
        message = "'kernel_id' and 'ramdisk_id' go together: the ramdisk has the kernel's modules"
        report.add(node.mark, message, "give both, or neither")
    for word in ("pm_port", "cpu", "memory", "disk"):
        given = node.get(word)
        if given and not re.fullmatch(r"[1-9]\d*", str(given.value)):
            message = f"{word}: '{given.value}' is not a whole number above 0"
            report.add(given.mark, message, baremetal.NODE["properties"][word]["description"])
    given = node.get("capabilities")
    if given and not re.fullmatch(r"([^:,\s]+:[^:,\s]+)(,[^:,\s]+:[^:,\s]+)*", str(given.value)):
        message = f"capabilities: '{given.value}' is not KEY:VALUE,KEY:VALUE"
        report.add(given.mark, message, "such as boot_mode:bios")


def _parser() -> CommandParser:
    does = (
        "Register bare-metal nodes with Ironic, update those that differ, and bring all to the "
        "state available."
    )
    nodes = "the machines, as TripleO's instackenv.json or testenv.json describes them"
    parser = command.parser("register-nodes", does, "nodes", nodes)
    add = parser.add_argument
    image = "Glance image (id or name) of the deploy ramdisk's {}, for nodes without their own"
    image += " (default: %(default)s)"
    add("-k", "--kernel", metavar="IMAGE", default=KERNEL, help=image.format("kernel"))
    add("-d", "--ramdisk", metavar="IMAGE", default=RAMDISK, help=image.format("initramfs"))
    timeout = "how long nodes may take to reach a state (default: %(default)s)"
    add("--timeout", metavar="SECONDS", type=int, default=TIMEOUT, help=timeout)
    return parser


def _run(args: argparse.Namespace) -> int:
    nodes = read(args.nodes)
    with connected("register-nodes", "Ironic") as connection:
        ironic = connection.baremetal
        boot = Boot()
        if any(_boots_common_ramdisk(one) for one in nodes):
            boot = _boot(Glance(connection.config), args.kernel, args.ramdisk)
        changes = baremetal.plan(ironic, nodes, boot)
        ids: dict[str, str] = {}
        for change in changes:
            if not args.dry_run:
                ids[baremetal.apply(ironic, change)] = change.label
            print(change.kind, change.label, flush=True)
        if not args.dry_run:
            make_available(ironic, ids, args.timeout, Progress(args.quiet))
    return 0


def _boots_common_ramdisk(node: Mapping[str, Any]) -> bool:
    return DRIVERS[node["pm_type"]].boots_ramdisk and "kernel_id" not in node


def _boot(glance: Glance, kernel: str, ramdisk: str) -> Boot:
    """Return the deploy ramdisk that consists of these images (ids or names)."""
    found = {image: glance.identify(image) for image in (kernel, ramdisk)}
    missing = [image for image, image_id in found.items() if image_id is None]
    if missing:
        raise AltostratusError(
            f"Glance has no image {' and no image '.join(missing)}",
            "build-images --deploy-ramdisk -o DIR, then load-image --manifest DIR/manifest.json",
        )
    return Boot(found[kernel], found[ramdisk])


def make_available(ironic: Any, nodes: Mapping[str, str], timeout: int, progress: Progress) -> None:
    """Bring the ``nodes`` (names by id) to the provision state available, all at the same time.

    A node that has a server, or that Ironic is working on, is left alone. Raises AltostratusError
    with Ironic's reason for each node that failed or took longer than ``timeout`` seconds.
    """
    failures: list[str] = []
    for state in ("manageable", "available"):
        moving = []
        for node_id in nodes:
            node = ironic.get_node(node_id)
            verb, target = _NEXT.get(node.provision_state, ("", ""))
            if target == state and not node.instance_id:
                ironic.set_node_provision_state(node_id, verb)
                moving.append(node_id)
        if not moving:
            continue
        with progress.step(f"{len(moving)} node(s) become {state}"):
            done = ironic.wait_for_nodes_provision_state(moving, state, timeout, fail=False)
        for one in (*done.failure, *done.timeout):
            reason = one.last_error or f"not {state} after {timeout} s"
            failures.append(f"{nodes[one.id]}: {reason}")
    for node_id in nodes:
        # Nova does not use a node whose power state Ironic does not know.
        if ironic.get_node(node_id).power_state is None:
            ironic.set_node_power_state(node_id, "power off")
    if failures:
        raise AltostratusError(
            "\n".join(failures), "correct the file or the controller, then run the command again"
        )


if __name__ == "__main__":
    sys.exit(main())
