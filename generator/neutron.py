# SPDX-License-Identifier: Apache-2.0
"""``setup-neutron``: provider networks of ``networks.json`` in the undercloud's Neutron."""

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generator import document, provider, schema
from generator.problems import Report
from imagebuild.console import run_command
from imagebuild.errors import AltostratusError, InputError

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; ``argv`` defaults to the process's arguments. Return the exit code."""
    return run_command(_run, _parser(), argv)


def read(path: Path) -> list[dict[str, Any]]:
    """Return the networks of the file ``path``, of the form ``generator.provider.NETWORKS``.

    Raises InvalidInputError with every problem of the file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", "generate-stacks writes networks.json")
    report = Report()
    node = document.load(path, report)
    schema.check(node, provider.NETWORKS, report, "networks file")
    for network in (node.get("networks") or node).items:
        kind, segment = network.get("type"), network.get("segmentation_id")
        if kind and (kind.value == "vlan") != (segment is not None):
            needs = "needs a" if segment is None else "has no"
            report.add(kind.mark, f"type: a {kind.value} network {needs} segmentation_id")
    report.raise_if_any()
    networks: list[dict[str, Any]] = node.plain()["networks"]
    return networks


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="setup-neutron",
        description="Create or update flat and VLAN provider networks. The cloud and the "
        "credentials are those of OS_CLOUD and clouds.yaml, or of OS_* variables.",
    )
    parser.add_argument(
        "-n",
        "--networks",
        metavar="networks.json",
        type=Path,
        required=True,
        help="the networks, as generate-stacks writes them",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be done and change nothing"
    )
    return parser


def _run(args: argparse.Namespace) -> int:
    networks = read(args.networks)
    with _errors(), _connection() as connection:
        for change in provider.plan(connection, networks):
            logger.debug("%s: network %s, subnet %s", change.name, change.network, change.subnet)
            if not args.dry_run:
                provider.apply(connection, change)
            print(change.kind, change.name, flush=True)
    return 0


@contextmanager
def _connection() -> Iterator[Any]:
    # Imported here: it takes a second, and --help must not.
    import openstack

    with openstack.connect(app_name="setup-neutron") as connection:
        yield connection.network


@contextmanager
def _errors() -> Iterator[None]:
    """Turn what the SDK raises into errors with hints."""
    import keystoneauth1.exceptions
    import openstack.exceptions

    credentials = "set OS_CLOUD to a cloud of clouds.yaml, or OS_AUTH_URL and the like"
    try:
        yield
    except (
        openstack.exceptions.ConfigException,
        keystoneauth1.exceptions.MissingRequiredOptions,
        keystoneauth1.exceptions.MissingAuthPlugin,
    ) as error:
        raise AltostratusError(f"no credentials: {error}", credentials) from error
    except keystoneauth1.exceptions.Unauthorized as error:
        raise AltostratusError("Keystone refuses the credentials", credentials) from error
    except keystoneauth1.exceptions.ClientException as error:
        message = f"cannot reach the cloud: {error}"
        raise AltostratusError(message, "is the undercloud running?") from error
    except openstack.exceptions.SDKException as error:
        raise AltostratusError(f"Neutron refused: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
