# SPDX-License-Identifier: Apache-2.0
"""What tells the undercloud of one state directory from another one on the same machine.

They are chosen by options of devtest, written to the state directory by the first command that
builds or starts the undercloud, and fixed once it was started.
"""

import os
import re
import shlex
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError
from pathlib import Path
from typing import Any

from altostratus import datafiles
from altostratus.errors import InputError
from altostratus.files import write_json
from altostratus.yamlfile import document
from altostratus.yamlfile.problems import InvalidInputError
from devtest.container.spec import Network

NAME_VARIABLE = "ALTOSTRATUS_NAME"
DEFAULT_NAME = "altostratus"
# With its prefix the name is that of a link, which has at most 15 characters (ip-link(8)); without
# a hyphen the names of further nodes, CONTAINER-NODE, are never those of another undercloud's.
_NAME = re.compile(r"[a-z][a-z0-9]{0,11}")
# Transfer networks are taken from here; the first one is that of the default name.
POOL = IPv4Network("10.77.0.0/16")
TRANSFER_LENGTH = 30
FILE = "settings.json"
UNDERCLOUD = "undercloud.yaml"


@dataclass(frozen=True)
class Settings:
    """The settings of one undercloud.

    ``name`` is the user's; ``undercloud`` the absolute path of its cloud file (None: the example);
    ``transfer`` the network (a /30) between the host and the undercloud's container.
    """

    name: str = DEFAULT_NAME
    undercloud: Path | None = None
    transfer: IPv4Network = IPv4Network((int(POOL.network_address), TRANSFER_LENGTH))

    @property
    def container(self) -> str:
        """The name of the container: of its network namespace, its cgroups and its record in /run.

        The prefix keeps names of other programs (docker, sshd) apart from ours.
        """
        return self.name if self.name == DEFAULT_NAME else f"{DEFAULT_NAME}.{self.name}"

    @property
    def undercloud_file(self) -> Path:
        """The path of the undercloud's cloud file."""
        return self.undercloud or datafiles.examples_path() / UNDERCLOUD

    def network(self, routes: Iterable[IPv4Network] = ()) -> Network:
        """Return the container's link to the host, with ``routes`` through it."""
        host, container = self.transfer.hosts()
        return Network(
            link="as-uc" if self.name == DEFAULT_NAME else f"uc-{self.name}",
            host_address=f"{host}/{TRANSFER_LENGTH}",
            address=f"{container}/{TRANSFER_LENGTH}",
            routes=tuple(map(str, routes)),
        )

    def plain(self) -> dict[str, str | None]:
        """Return the settings as JSON has them."""
        return {
            "name": self.name,
            "undercloud": str(self.undercloud) if self.undercloud else None,
            "transfer_network": str(self.transfer),
        }

    def save(self, state: Path) -> None:
        """Write the settings to the state directory ``state``."""
        write_json(state / FILE, self.plain())


@dataclass(frozen=True)
class Given:
    """The settings that the user gives; None where the user gives none."""

    name: str | None = None
    undercloud: Path | None = None
    transfer: IPv4Network | None = None


def given(
    name: str | None, undercloud: Path | None, transfer: str | None, environ: Mapping[str, str]
) -> Given:
    """Return the settings that options and environment give; options win.

    Raises InputError for one that has a wrong form.
    """
    chosen = name or environ.get(NAME_VARIABLE) or None
    if chosen and not _NAME.fullmatch(chosen):
        raise InputError(
            f"{chosen!r} is no name for an undercloud",
            "a name has at most 12 lower-case letters and digits and begins with a letter",
        )
    return Given(chosen, _other_than_example(undercloud), _transfer(transfer) if transfer else None)


def _other_than_example(file: Path | None) -> Path | None:
    if file is None or file == datafiles.examples_path() / UNDERCLOUD:
        return None
    return Path(os.path.abspath(file))  # noqa: PTH100


def _transfer(text: str) -> IPv4Network:
    hint = "give a free /30 such as 10.77.8.0/30; by default devtest takes one that is free"
    try:
        network = IPv4Network(text)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise InputError(f"{text!r} is no transfer network: {error}", hint) from error
    if network.prefixlen != TRANSFER_LENGTH:
        raise InputError(f"the transfer network {text} is not a /{TRANSFER_LENGTH}", hint)
    return network


def load(state: Path) -> Settings | None:
    """Return the settings in the state directory ``state``; None if there are none yet.

    A state directory of an older devtest has none: its undercloud has the default ones.
    """
    path = state / FILE
    if not path.exists():
        return Settings() if is_started(state) else None
    try:
        content: dict[str, Any] = document.content(path, "remove it")
        file = content["undercloud"]
        network = IPv4Network(content["transfer_network"])
        return Settings(str(content["name"]), Path(file) if file else None, network)
    except InvalidInputError as error:
        raise InputError(f"{path} is damaged: {error}", "remove it") from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error!r}", "remove it") from error


def is_started(state: Path) -> bool:
    """Tell whether the undercloud of the state directory was ever started."""
    return (state / "container/spec.json").exists()


def merge(
    state: Path, stored: Settings | None, new: Given, taken: Iterable[IPv4Network] = ()
) -> Settings:
    """Return the settings of the undercloud in ``state``: ``stored`` ones, changed as ``new`` says.

    ``taken`` are networks of the host: a transfer network that is chosen here overlaps none.
    Raises InputError if a setting changes after the undercloud was started.
    """
    name = new.name or (stored.name if stored else DEFAULT_NAME)
    keep = stored if stored and stored.name == name else None
    wanted = Settings(
        name,
        new.undercloud or (stored.undercloud if stored else None),
        new.transfer or (keep.transfer if keep else free_transfer(name, taken)),
    )
    if stored and wanted != stored and is_started(state):
        old, changed = stored.plain(), wanted.plain()
        differences = [
            f"{key.replace('_', ' ')} is {old[key] or 'the example'}, not {changed[key]}"
            for key in ("name", "undercloud", "transfer_network")
            if old[key] != changed[key] and not (key == "transfer_network" and not new.transfer)
        ]
        raise InputError(
            f"the undercloud in {state} was started with other settings: {', '.join(differences)}",
            "leave these options out, or remove it first: "
            f"ALTOSTRATUS_STATE={shlex.quote(str(state))} devtest destroy; "
            "or set another ALTOSTRATUS_STATE",
        )
    return wanted


def free_transfer(name: str, taken: Iterable[IPv4Network]) -> IPv4Network:
    """Return a transfer network for the undercloud ``name`` that overlaps none of ``taken``.

    The search begins at a network that follows from the name: an undercloud that is stopped most
    likely finds its own free again. The default name has its own network in any case.
    """
    if name == DEFAULT_NAME:
        return Settings().transfer
    used = list(taken)
    count = 2 ** (TRANSFER_LENGTH - POOL.prefixlen)
    size = 2 ** (32 - TRANSFER_LENGTH)
    first = zlib.crc32(name.encode())
    for step in range(count - 1):
        # Number 0 is the default name's.
        number = 1 + (first + step) % (count - 1)
        network = IPv4Network((int(POOL.network_address) + size * number, TRANSFER_LENGTH))
        if not any(network.overlaps(each) for each in used):
            return network
    raise InputError(f"no transfer network is free in {POOL}", "give one: --transfer-network CIDR")
