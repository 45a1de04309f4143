# SPDX-License-Identifier: Apache-2.0
"""The cloud files that devtest is given, and which of them it can deploy."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from pathlib import Path

from altostratus import datafiles
from altostratus.errors import InputError
from devtest import undercloud
from generator import cloudfile, contracts
from generator.cloudfile.model import Cloud

DEFAULT_CLOUD = "overcloud.yaml"
# Its output directory is named like a cloud's.
RAMDISK = "deploy-ramdisk"


def read(file: Path | None, hypervisor: str | None = None) -> tuple[Cloud, Path]:
    """Return the model and the absolute path of a cloud file (None: the default example).

    With ``hypervisor`` all its roles are of that type. Raises InputError with every problem of
    the file.
    """
    path = file or datafiles.examples_path() / DEFAULT_CLOUD
    if not path.is_file():
        raise InputError(f"{path}: no such file", "--cloud takes a cloud file, see examples/")
    known = contracts.installed()
    return cloudfile.load(path, known, hypervisor), path.absolute()


def reached(file: Path) -> list[IPv4Network]:
    """Return the networks of the undercloud of the cloud file ``file``; the host has a route there.

    Raises InputError if devtest cannot start an undercloud from it.
    """
    if not file.is_file():
        raise InputError(
            f"{file}: no such file", "--undercloud takes a cloud file: docs/devtest.md"
        )
    cloud, _ = read(file)
    role = next(iter(cloud.roles.values()))
    if (
        cloud.name != undercloud.CLOUD
        or len(cloud.roles) != 1
        or role.instance(0) != undercloud.NODE
    ):
        raise InputError(
            f"{file}: not the cloud file of an undercloud",
            f"it must have the name {undercloud.CLOUD} and one role, {undercloud.NODE}, "
            "with one instance and a fixed address: start from examples/undercloud.yaml",
        )
    return [network.cidr for network in cloud.networks.values()]


def check_name(cloud: Cloud, file: Path) -> None:
    """Raise InputError if the cloud has a name that devtest needs for itself."""
    reserved = (undercloud.CLOUD, RAMDISK)
    if cloud.name in reserved:
        raise InputError(
            f'{file}: the name "{cloud.name}" is reserved by devtest',
            f"give the cloud another name than {' or '.join(reserved)}",
        )


def check_reach(cloud: Cloud, file: Path, routes: Sequence[IPv4Network]) -> None:
    """Raise InputError unless the host reaches the endpoints of ``cloud`` and all its instances.

    ``routes`` are the undercloud's networks. What the networks are called does not matter.
    """
    near = {
        name
        for name, network in cloud.networks.items()
        if any(network.cidr.subnet_of(route) for route in routes)
    }
    far = [f"role {role.name}" for role in cloud.roles.values() if not near & set(role.networks)]
    if "keystone" in cloud.services and cloud.public_network not in near:
        far.append(f"public_network {cloud.public_network}")
    if far:
        raise InputError(
            f"{file}: this machine would not reach {', '.join(far)}",
            f"it has routes to the undercloud's networks only ({', '.join(map(str, routes))}): "
            "use a network within them",
        )
