# SPDX-License-Identifier: Apache-2.0
"""``setup-neutron``: creates or updates the provider networks of ``networks.json``.

This module is the command and the check of its file; ``setupcloud.neutron`` compares with Neutron.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from altostratus.clients.sdk import connected
from altostratus.console import CommandParser, run_command
from altostratus.yamlfile import addresses, document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Report
from setupcloud import command, neutron

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the networks of the file ``path``, of the form ``setupcloud.neutron.NETWORKS``.

    Raises InvalidInputError with every problem of the file.
    """
    document.require(path, "generate-stacks writes networks.json")
    report = Report()
    node = document.load(path, report)
    schema.check(node, neutron.NETWORKS, report, "networks file")
    given = (node.get("networks") or node).items
    sound = [one for item in given if (one := schema.sound(item, neutron.NETWORK))]
    for network in sound:
        _check_network(network, report)
    schema.check_unique((network.get("name") for network in sound), "name", report)
    report.raise_if_any()
    networks: list[dict[str, Any]] = node.plain()["networks"]
    return networks


def _check_network(network: Node, report: Report) -> None:
    kind, segment = network.get("type"), network.get("segmentation_id")
    if kind and "segmentation_id" not in network.lost:
        if kind.value == "vlan" and segment is None:
            message = "type: a vlan network needs a segmentation_id"
            report.add(kind.mark, message, "add 'segmentation_id', the VLAN id")
        elif kind.value == "flat" and segment is not None:
            message = "type: a flat network has no segmentation_id"
            report.add(kind.mark, message, "remove one of the two")
    # Neutron would store the network of such an address, and the next run would see a difference.
    for one in (network.get("cidr"), *(route.get("destination") for route in _routes(network))):
        if one:
            addresses.network(one, report)


def _routes(network: Node) -> list[Node]:
    routes = network.get("routes")
    return routes.items if routes else []


def _parser() -> CommandParser:
    does = "Create or update flat and VLAN provider networks."
    return command.parser(
        "setup-neutron", does, "networks", "the networks, as generate-stacks writes them"
    )


def _run(args: argparse.Namespace) -> int:
    networks = read(args.networks)
    with connected("setup-neutron", "Neutron") as connection:
        for change in neutron.plan(connection.network, networks):
            logger.debug("%s: network %s, subnet %s", change.name, change.network, change.subnet)
            if not args.dry_run:
                neutron.apply(connection.network, change)
            print(change.kind, change.name, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
