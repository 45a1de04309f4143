# SPDX-License-Identifier: Apache-2.0
"""``setup-neutron``: creates or updates the provider networks of ``networks.json``.

This module is the command and the check of its file; ``setupcloud.neutron`` compares with Neutron.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from altostratus.clients.sdk import connected
from altostratus.console import CommandParser, run_command
from setupcloud import command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the networks of the file ``path``, of the form ``setupcloud.neutron.NETWORKS``.

    Raises InvalidInputError with every problem of the file.
    """
    # Imported here, as --help needs none of it and is to be quick.
    from altostratus.yamlfile import document, schema
    from altostratus.yamlfile.problems import Report
    from setupcloud import networkchecks, neutron

    document.require(path, "generate-stacks writes networks.json")
    report = Report()
    node = document.load(path, report)
    if networkchecks.foreign(node, report):
        report.raise_if_any()
    schema.check(node, neutron.NETWORKS, report, "networks file")
    given = (node.get("networks") or node).items
    sound = [one for item in given if (one := schema.sound(item, neutron.NETWORK))]
    networkchecks.check(sound, report)
    schema.check_unique((network.get("name") for network in sound), "name", report)
    report.raise_if_any()
    networks: list[dict[str, Any]] = node.plain()["networks"]
    return networks


def _parser() -> CommandParser:
    does = "Create or update flat and VLAN provider networks."
    return command.parser(
        "setup-neutron", does, "networks", "the networks, as generate-stacks writes them"
    )


def _run(args: argparse.Namespace) -> int:
    from setupcloud import neutron

    networks = read(args.networks)
    with connected("setup-neutron", neutron.SERVICE) as connection:
        changes = neutron.plan(connection.network, networks)
        done = command.carry_out(
            changes, lambda one: neutron.apply(connection.network, one), args.dry_run, args.json
        )
    return command.finish("networks", done, args)


if __name__ == "__main__":
    sys.exit(main())
