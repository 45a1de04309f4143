# SPDX-License-Identifier: Apache-2.0
"""``register-nodes``: enrolls the machines of ``nodes.json`` with Ironic and makes them available.

This module is the command; ``setupcloud.nodefile`` reads the file, ``setupcloud.baremetal``
compares it with Ironic, ``setupcloud.available`` changes the state of nodes.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from altostratus.clients.sdk import connected
from altostratus.console import CommandParser, Progress, run_command
from altostratus.errors import AltostratusError, InputError
from setupcloud import command
from setupcloud.command import Done

if TYPE_CHECKING:
    from altostratus.clients.glance import Glance
    from setupcloud.baremetal import Boot

KERNEL, RAMDISK = "bm-deploy-kernel", "bm-deploy-ramdisk"
# Seconds.
TIMEOUT = 600


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the nodes of the file ``path``, each of the form ``setupcloud.nodeschema.NODE``.

    Raises InvalidInputError with every problem of the file.
    """
    # Imported here, as --help needs none of it and is to be quick.
    from setupcloud import nodefile

    return nodefile.read(path)


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
    from altostratus.clients.glance import Glance
    from setupcloud import baremetal

    if args.timeout <= 0:
        raise InputError(f"--timeout: {args.timeout} is not a number of seconds above 0")
    nodes = read(args.nodes)
    progress = Progress(args.quiet)
    if not nodes:
        progress.note(f"{args.nodes}: no nodes are in it")
    with connected("register-nodes", baremetal.SERVICE) as connection:
        ironic = connection.baremetal
        boot = baremetal.Boot()
        if any(_boots_common_ramdisk(one) for one in nodes):
            boot = _boot(Glance(connection.config), args.kernel, args.ramdisk)
        changes = baremetal.plan(ironic, nodes, boot)
        done = command.carry_out(
            changes, lambda one: baremetal.apply(ironic, one), args.dry_run, args.json
        )
        states = _foresee(ironic, done, args.json) if args.dry_run else {}
        if not args.dry_run:
            states = _make_available(ironic, done, args.timeout, progress)
    for change in changes:
        if change.held:
            held = ", ".join(map(str, change.held))
            progress.note(f"{change.label}: to be changed when nobody uses it: {held}")
    return command.finish("nodes", done, args, states)


def _make_available(
    ironic: Any, done: Sequence[Done], timeout: int, progress: Progress
) -> dict[str, dict[str, Any]]:
    """Bring the nodes that are as they should be to the state available; return JSON's fields."""
    from setupcloud import available

    ids = {one.id: one for one in done if one.id and not one.error}
    names = {node_id: one.change.label for node_id, one in ids.items()}
    states: dict[str, dict[str, Any]] = {}
    for node_id, outcome in available.make_available(ironic, names, timeout, progress).items():
        if outcome.failure:
            ids[node_id].error = AltostratusError(outcome.failure)
        states[names[node_id]] = _fields(outcome, ids[node_id].change, outcome.left_alone)
    return states


def _foresee(ironic: Any, done: Sequence[Done], quiet: bool) -> dict[str, dict[str, Any]]:
    """Say which nodes that exist would be made available; return JSON's fields."""
    from setupcloud import available

    states: dict[str, dict[str, Any]] = {}
    for one in done:
        if one.id is None:
            continue
        node = ironic.get_node(one.id)
        states[one.change.label] = _fields(node, one.change, available.left_alone(node))
        if available.moves(node) and not quiet:
            state = f"provision state: {node.provision_state} -> {available.AVAILABLE}"
            print(f"would make available {one.change.label}: {state}", flush=True)
    return states


def _fields(states: Any, change: Any, left_alone: str | None) -> dict[str, Any]:
    return {
        "provision_state": states.provision_state,
        "power_state": states.power_state,
        "left_alone": left_alone,
        "held": [one.plain() for one in change.held],
    }


def _boots_common_ramdisk(node: Mapping[str, Any]) -> bool:
    from setupcloud.nodeschema import DRIVERS

    return DRIVERS[node["pm_type"]].boots_ramdisk and "kernel_id" not in node


def _boot(glance: "Glance", kernel: str, ramdisk: str) -> "Boot":
    """Return the deploy ramdisk that consists of these images (ids or names)."""
    from altostratus.clients.glance import SeveralError
    from setupcloud.baremetal import Boot

    found: dict[str, str | None] = {}
    ambiguous: list[str] = []
    for image, option in ((kernel, "--kernel"), (ramdisk, "--ramdisk")):
        try:
            found[image] = glance.identify(image)
        except SeveralError as error:
            ambiguous.append(f"{error.message}; choose one by {option} ID")
    if ambiguous:
        hint = "or delete those that are not meant: openstack image delete ID"
        raise AltostratusError("\n".join(ambiguous), hint)
    missing = [image for image, image_id in found.items() if image_id is None]
    if missing:
        raise AltostratusError(
            f"Glance has no image {' and no image '.join(missing)}",
            "build-images --deploy-ramdisk -o DIR, then load-image --manifest DIR/manifest.json",
        )
    return Boot(found[kernel], found[ramdisk])


if __name__ == "__main__":
    sys.exit(main())
