# SPDX-License-Identifier: Apache-2.0
"""The steps from a cloud file to a verified cloud; each does nothing where nothing changed.

The steps call the project's own commands, with files between them: what devtest does can be done
by hand, and continued from any point.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from altostratus import datafiles
from altostratus.console import Progress
from altostratus.errors import AltostratusError, InputError
from altostratus.hypervisors import HYPERVISORS
from altostratus.process import CommandError, run
from devtest import clouds, undercloud
from devtest.cloud import deploy, heatenv, verify
from devtest.undercloud import baremetal, instances, nodes, prepare
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator import cloudfile, contracts
from generator.cloudfile.model import Cloud

if TYPE_CHECKING:
    from openstack.connection import Connection

DEFAULT_CLOUD = "overcloud.yaml"
UNDERCLOUD = "undercloud.yaml"
# Name of its output directory, like a cloud's.
RAMDISK = "deploy-ramdisk"


@dataclass(frozen=True)
class Chain:
    """The steps for one cloud file: ``cloud`` is its model, ``file`` its path.

    ``hypervisor`` is the type of all its roles, whatever the file says (None: as the file says).
    ``heat_env`` is a new file of the user's parameters (None: the kept one,
    see ``devtest.cloud.heatenv``).
    """

    workspace: Workspace
    cloud: Cloud
    file: Path
    progress: Progress
    hypervisor: str | None = None
    heat_env: Path | None = None

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Frame the output of a step with its name and its seconds, and record them."""
        started = time.monotonic()
        self.progress.note(f"== {name}")
        yield
        seconds = time.monotonic() - started
        self.progress.steps.append((name, seconds))
        self.progress.note(f"== {name}: {seconds:.1f} s")

    def build(self) -> None:
        """Generate the files of undercloud and cloud, and build their images."""
        under = (undercloud.CLOUD, datafiles.examples_path() / UNDERCLOUD)
        self.make(under, (self.cloud.name, self.file))

    def make(self, *pairs: tuple[str, Path]) -> None:
        """Generate the files of clouds (name, cloud file), then build their images."""
        for name, file in pairs:
            with self.step(f"generate {name}"):
                tool("generator.generate", self._generate(name, file))
        heatenv.adopt(self.workspace, self.cloud.name, self.heat_env)
        for name, _ in pairs:
            with self.step(f"build images of {name}"):
                listed = self.workspace.stacks(name) / "images.yaml"
                tool("imagebuild.build", ["-c", listed, "-o", self.workspace.images(name)])
        if self._on_baremetal():
            with self.step("build deploy ramdisk"):
                tool("imagebuild.build", ["--deploy-ramdisk", "-o", self.workspace.images(RAMDISK)])

    def _on_baremetal(self) -> dict[str, int]:
        """Return the roles on bare metal, with their numbers of instances."""
        types = self.types()
        machines = {name for name, type_ in types.items() if HYPERVISORS[type_].bare_metal}
        given = heatenv.kept(self.workspace, self.cloud.name).parameters
        counts = heatenv.counts(given, self.cloud.roles.values())
        return {name: count for name, count in counts.items() if name in machines}

    def _generate(self, name: str, file: Path) -> list[str | Path]:
        is_own = name == self.cloud.name
        options = ["--hypervisor", self.hypervisor] if self.hypervisor and is_own else []
        return [file, "-o", self.workspace.stacks(name), *options]

    def types(self) -> dict[str, str]:
        """Return the hypervisor type of each role, as the cloud was generated."""
        listed = self.workspace.stacks(self.cloud.name) / "images.yaml"
        self._need(listed)
        content = yaml.safe_load(listed.read_text(encoding="utf-8"))
        return {image["role"]: image["hypervisor"] for image in content["images"]}

    def _need(self, *paths: Path, command: str = "devtest build") -> None:
        """Raise AltostratusError unless the files of earlier steps are there: ``command`` first."""
        if missing := [str(path) for path in paths if not path.exists()]:
            raise AltostratusError(f"{self.cloud.name} needs {', '.join(missing)}", command)

    def start(self) -> None:
        """Start the undercloud and wait until it answers."""
        with self.step("start undercloud"):
            undercloud.start(self.workspace)
            address = undercloud.address(self.workspace)
            clouds.register(self.workspace, undercloud.CLOUD, address)
            nodes.resume(self.workspace)

    def load(self) -> None:
        """Give the undercloud what the cloud needs: key, flavors, networks, images."""
        stacks, images = (
            self.workspace.stacks(self.cloud.name),
            self.workspace.images(self.cloud.name),
        )
        self._need(stacks / "flavors.json", images / "manifest.json")
        access = self._access()
        connection = self.connect()
        with self.step("prepare undercloud"):
            prepare.lift_quotas(connection)
            prepare.upload_key(connection, prepare.ensure_key(self.workspace))
            tool("setupcloud.flavors", ["-f", str(stacks / "flavors.json")], access)
            tool("setupcloud.networks", ["-n", str(stacks / "networks.json")], access)
        with self.step("load images"):
            manifest = ["--manifest", str(images / "manifest.json")]
            tool(
                "imagebuild.load",
                [*manifest, "--replace", "--environment", str(stacks / heatenv.IMAGES)],
                access,
            )
        if self._on_baremetal():
            with self.step("enrol bare-metal nodes"):
                self.enrol(baremetal.missing(connection, self.cloud.name, self._on_baremetal()))
        prepare.await_hypervisors(connection, set(self.types().values()))

    def enrol(self, free: int) -> None:
        """Make and enrol virtual bare-metal nodes until ``free`` of them have no server."""
        manifest = str(self.workspace.images(RAMDISK) / "manifest.json")
        tool("imagebuild.load", ["--manifest", manifest, "--replace"], self._access())
        connection = self.connect()
        described = baremetal.make(self.workspace, connection, free)
        tool("setupcloud.nodes", ["-n", described], self._access())
        baremetal.await_placement(connection, free)

    def _access(self) -> dict[str, str]:
        """Return the environment that leads the project's commands to the undercloud."""
        return {
            "OS_CLIENT_CONFIG_FILE": str(self.workspace.clouds_yaml),
            "OS_CLOUD": undercloud.CLOUD,
        }

    def deploy(self) -> None:
        """Create or update the cloud's stack and register its credentials."""
        name, directory = self.cloud.name, self.workspace.stacks(self.cloud.name)
        self._need(directory / f"{name}.yaml")
        self._need(directory / heatenv.IMAGES, command="devtest load")
        with self.step(f"deploy {name}"):
            heatenv.adopt(self.workspace, name, self.heat_env)
            heatenv.merge(self.workspace, name)
            connection = self.connect()
            for stopped in baremetal.stop_leaving(connection, name, self._on_baremetal()):
                self.progress.note(f"{stopped} is stopped: its role leaves bare metal")
            deploy.deploy(self.workspace, connection, name, self.progress)
            self.register()

    def register(self) -> None:
        """Write the cloud's credentials, if it has a Keystone."""
        members = instances.of_cloud(self.connect(), self.cloud.name)
        for role in self.cloud.roles.values():
            first = next((each for each in members if each.role == role.name), None)
            if "keystone" in role.services and first:
                address = first.addresses[self.cloud.public_network]
                clouds.register(self.workspace, self.cloud.name, address)
                return

    def verify(self) -> None:
        """Prove that the cloud works."""
        types = self.types()
        connection, roles = self.connect(), self.cloud.roles
        members = tuple(instances.of_cloud(connection, self.cloud.name))
        deployed = verify.Deployed(
            workspace=self.workspace,
            undercloud=connection,
            cloud=self.cloud.name,
            services=frozenset(name for role in roles.values() for name in role.services),
            instances=members,
            hypervisors=hypervisors(types, members),
        )
        given = heatenv.parameters(self.workspace, self.cloud.name)
        expected = sum(heatenv.counts(given, roles.values()).values())
        if len(members) != expected:
            raise AltostratusError(
                f"{self.cloud.name} has {len(members)} instances, not {expected}", "devtest deploy"
            )
        with self.step(f"verify {self.cloud.name}"):
            verify.verify(deployed, self.progress)

    def connect(self) -> Connection:
        """Return a connection to the undercloud."""
        return clouds.connect(self.workspace, undercloud.CLOUD)


def hypervisors(types: Mapping[str, str], members: Iterable[Instance]) -> dict[str, str]:
    """Return the hypervisor type of each instance by name; ``types`` has those of the roles.

    Raises AltostratusError for instances of roles that the cloud does not have any more.
    """
    strangers = [f"{each.name} ({each.role})" for each in members if each.role not in types]
    if strangers:
        raise AltostratusError(
            f"instances of roles that the cloud does not have: {', '.join(strangers)}",
            "devtest deploy removes them",
        )
    return {each.name: types[each.role] for each in members}


def read(file: Path | None, hypervisor: str | None = None) -> tuple[Cloud, Path]:
    """Return the model and the path of a cloud file (None: the default example).

    With ``hypervisor`` all its roles are of that type. Raises InputError with every problem of
    the file.
    """
    path = file or datafiles.examples_path() / DEFAULT_CLOUD
    if not path.is_file():
        raise InputError(f"{path}: no such file", "--cloud takes a cloud file, see examples/")
    known = contracts.load(datafiles.elements_path())
    return cloudfile.load(path, known, hypervisor), path.absolute()


def reached() -> list[str]:
    """Return the networks (CIDR) of the undercloud, to which the host has a route."""
    model, _ = read(datafiles.examples_path() / UNDERCLOUD)
    return [str(network.cidr) for network in model.networks.values()]


def check_name(cloud: Cloud, file: Path) -> None:
    """Raise InputError if the cloud is called like something that devtest keeps for itself."""
    kept = (undercloud.CLOUD, RAMDISK)
    if cloud.name in kept:
        raise InputError(
            f"{file}: devtest has something of its own called {cloud.name}",
            f"give the cloud another name than {' or '.join(kept)}",
        )


def check_reach(cloud: Cloud, file: Path) -> None:
    """Raise InputError unless the host reaches the endpoints of ``cloud`` and all its instances.

    What the networks are called does not matter; ``devtest`` has one route, to the undercloud's.
    """
    routes = [IPv4Network(text) for text in reached()]
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
            f"devtest has a route to {', '.join(map(str, routes))} alone: a network there helps",
        )


def tool(
    module: str, arguments: Sequence[str | Path], environment: dict[str, str] | None = None
) -> None:
    """Run one of the project's commands; its messages go to our standard error.

    Raises AltostratusError without repeating them.
    """
    # It ends in an orderly way when we are killed, too.
    dying = ["setpriv", "--pdeathsig", "TERM"]
    command: list[str | Path] = [*dying, sys.executable, "-m", module, *arguments]
    try:
        run(command, env=environment, capture=False)
    except CommandError as error:
        if error.returncode is None:
            raise
        raise AltostratusError(f"{module} failed", "its messages are above") from error
