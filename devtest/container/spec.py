# SPDX-License-Identifier: Apache-2.0
"""What a system container is made of, and where its files are.

The specification is plain data: the command that starts a container writes it as JSON, and the
helpers that run inside the new namespaces (``supervisor`` and ``stage``, beside this module) read
it.
"""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from altostratus.errors import InputError
from altostratus.files import write_json
from altostratus.yamlfile import document


@dataclass(frozen=True)
class Network:
    """The container's link: a veth pair, one end in the container as eth0, the other on the host.

    ``link`` is the other end (at most 15 characters, ip-link(8)); addresses are CIDR strings;
    ``routes`` are networks that the host reaches through the container. With ``peer`` the other
    end is in that network namespace instead, and ``host_address`` is the address of the router
    there, which it already has.
    """

    link: str
    host_address: str
    address: str
    routes: tuple[str, ...] = ()
    peer: str = ""

    @property
    def gateway(self) -> str:
        """The host's or router's address without its prefix length."""
        return self.host_address.partition("/")[0]

    @property
    def container(self) -> str:
        """The container's address without its prefix length."""
        return self.address.partition("/")[0]


@dataclass(frozen=True)
class Spec:
    """A system container: one image file (ext4), the state that it keeps, its place in the network.

    ``name`` names the network namespace, the cgroups and the host name. ``image_key`` tells whether
    the image changed since the last start. All other paths are absolute: ``files`` maps paths in
    the container to text, ``secrets`` to files of the host that are copied with mode 0600,
    ``binds`` to directories of the host. ``data`` lists directories of the container that outlive
    a change of the image.
    """

    name: str
    state: Path
    image: Path
    image_key: str
    network: Network
    files: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    binds: dict[str, str] = field(default_factory=dict)
    data: tuple[str, ...] = ()

    @property
    def root(self) -> Path:
        """Where the container's root is mounted, inside its private mount namespace."""
        return self.state / "root"

    @property
    def lower(self) -> Path:
        """Where the image is mounted read-only, inside the private mount namespace."""
        return self.state / "lower"

    @property
    def upper(self) -> Path:
        """What the container changed in its root since its image was new."""
        return self.state / "upper"

    @property
    def work(self) -> Path:
        """The directory that overlayfs wants beside ``upper``."""
        return self.state / "work"

    @property
    def console(self) -> Path:
        """What the container printed on /dev/console."""
        return self.state / "console.log"

    @property
    def log(self) -> Path:
        """What the helpers that set up the namespaces printed."""
        return self.state / "supervisor.log"

    @property
    def path(self) -> Path:
        """Where ``save`` writes this specification."""
        return self.state / "spec.json"

    @property
    def cgroups(self) -> Path:
        """The list of the container's cgroups, as ``devtest.container.cgroups`` writes it."""
        return self.state / "cgroups.json"

    @property
    def init_pid(self) -> Path:
        """The identity of the container's PID 1 on the host, see ``processes``."""
        return self.state / "init.pid"

    @property
    def supervisor_pid(self) -> Path:
        """The identity of the process that holds the mounts and the console."""
        return self.state / "supervisor.pid"

    def data_directory(self, target: str) -> Path:
        """Return the host's directory for ``target``, an entry of ``data``."""
        return self.state / "data" / target.strip("/").replace("/", "-")

    def save(self) -> Path:
        """Write the specification to its state directory and return the file's path."""
        write_json(self.path, dataclasses.asdict(self, dict_factory=_plain))
        return self.path


_REMOVE = "remove the file, then run the command again"


def load(path: Path) -> Spec:
    """Read what ``Spec.save`` wrote. Raises InputError if something else did."""
    raw = document.content(path, _REMOVE)
    try:
        network = raw.pop("network")
        return Spec(
            **{
                **raw,
                "state": Path(raw["state"]),
                "image": Path(raw["image"]),
                "data": tuple(raw["data"]),
                "network": Network(**{**network, "routes": tuple(network["routes"])}),
            }
        )
    except (AttributeError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error!r}", _REMOVE) from error


def _plain(items: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in items}
