# SPDX-License-Identifier: Apache-2.0
"""The steps from a cloud file to a verified cloud; each does nothing where nothing changed.

The steps call the project's own commands, with files between them: what devtest does can be done
by hand, and continued from any point. After ``build`` they work on what was generated, not on the
cloud file, which may have been edited since.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from altostratus.clients import heat as heat_api
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS
from devtest import clouds, ownelements, undercloud
from devtest.cloud import deploy, heatenv, stacks, verify
from devtest.cloud.cloudfiles import RAMDISK
from devtest.tools import tool
from devtest.undercloud import baremetal, instances, nodes, prepare
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator.output.generated import AUTH_URL, Generated
from imagebuild.manifest import FILE as MANIFEST

if TYPE_CHECKING:
    from openstack.connection import Connection


@dataclass
class Steps:
    """The steps for the cloud called ``cloud``, whose cloud file is ``file``.

    ``hypervisor`` is the type of all its roles, whatever the file says (None: as the file says).
    ``heat_env`` is a new file of the user's parameters (None: the kept one,
    see ``devtest.cloud.heatenv``). ``failed`` is the step that failed or was interrupted, if any.
    """

    workspace: Workspace
    cloud: str
    file: Path
    progress: Progress
    hypervisor: str | None = None
    heat_env: Path | None = None
    failed: str | None = None

    @property
    def generated(self) -> Generated:
        """What ``build`` generated for the cloud, as it is now on disk."""
        return self.workspace.generated(self.cloud)

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print the name of a step before its output and its seconds after it, and record them."""
        started = time.monotonic()
        self.progress.note(f"== {name}")
        outcome = "FAILED after "
        try:
            yield
            outcome = ""
        finally:
            seconds = time.monotonic() - started
            if outcome:
                self.failed = name
            self.progress.steps.append((name, seconds))
            self.progress.note(f"{'!!' if outcome else '=='} {name}: {outcome}{seconds:.1f} s")

    def build(self) -> None:
        """Generate the files of undercloud and cloud, and build their images."""
        under = (undercloud.CLOUD, self.workspace.settings.undercloud_file)
        self.make(under, (self.cloud, self.file))

    def make(self, *pairs: tuple[str, Path]) -> None:
        """Generate the files of clouds (name, cloud file), then build their images."""
        ownelements.remember(self.workspace)
        for name, file in pairs:
            with self.step(f"generate {name}"):
                tool("generator.generate", self._generate(name, file))
        heatenv.adopt(self.workspace, self.cloud, self.heat_env)
        for name, _ in pairs:
            with self.step(f"build images of {name}"):
                listed = self.workspace.generated(name).images
                tool("imagebuild.build", ["-c", listed, "-o", self.workspace.images(name)])
        if self.machines():
            with self.step("build deploy ramdisk"):
                tool("imagebuild.build", ["--deploy-ramdisk", "-o", self.workspace.images(RAMDISK)])

    def _generate(self, name: str, file: Path) -> list[str | Path]:
        is_own = name == self.cloud
        options = ["--hypervisor", self.hypervisor] if self.hypervisor and is_own else []
        return [file, "-o", self.workspace.stacks(name), *options]

    def machines(self) -> dict[str, int]:
        """Return the roles on bare metal, with their numbers of instances."""
        generated = self.generated
        given = heatenv.kept(self.workspace, self.cloud).parameters
        return {
            name: count
            for name, count in generated.counts(given).items()
            if HYPERVISORS[generated.roles[name].hypervisor].bare_metal
        }

    def types(self) -> dict[str, str]:
        """Return the hypervisor type of each role, as the cloud was generated."""
        self._need(self.generated.images)
        return {name: role.hypervisor for name, role in self.generated.roles.items()}

    def _need(self, *paths: Path, command: str = "devtest build") -> None:
        """Raise AltostratusError unless the files are there that ``command`` writes."""
        if missing := [str(path) for path in paths if not path.exists()]:
            raise AltostratusError(f"{self.cloud} needs {', '.join(missing)}", command)

    def start(self) -> None:
        """Start the undercloud and its further nodes, and wait until they are ready."""
        with self.step("start undercloud"):
            undercloud.start(self.workspace)
            address = undercloud.address(self.workspace)
            clouds.register(self.workspace, undercloud.CLOUD, address)
            nodes.resume(self.workspace)

    def load(self) -> None:
        """Give the undercloud what the cloud needs: key, flavors, networks, images."""
        generated, images = self.generated, self.workspace.images(self.cloud)
        self._need(generated.flavors, images / MANIFEST)
        access = self._access()
        connection = self.connect()
        with self.step("prepare undercloud"):
            prepare.lift_quotas(connection)
            prepare.upload_key(connection, prepare.ensure_key(self.workspace))
            tool("setupcloud.flavors", ["-f", generated.flavors], access)
            tool("setupcloud.networks", ["-n", generated.networks_file], access)
        with self.step("load images"):
            environment = ["--environment", str(generated.directory / heatenv.IMAGES)]
            manifest = ["--manifest", str(images / MANIFEST), "--replace"]
            tool("imagebuild.load", [*manifest, *environment], access)
        if machines := self.machines():
            with self.step("enrol bare-metal nodes"):
                self.enrol(baremetal.missing(connection, self.cloud, machines))
        prepare.await_hypervisors(connection, set(self.types().values()))

    def enrol(self, free: int) -> None:
        """Make and enrol virtual bare-metal nodes until ``free`` of them have no server."""
        manifest = self.workspace.images(RAMDISK) / MANIFEST
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
        self._need(self.generated.template)
        self._need(self.generated.directory / heatenv.IMAGES, command="devtest load")
        with self.step(f"deploy {self.cloud}"):
            heatenv.adopt(self.workspace, self.cloud, self.heat_env)
            heatenv.merge(self.workspace, self.cloud)
            connection = self.connect()
            for stopped in baremetal.stop_leaving(connection, self.cloud, self.machines()):
                self.progress.note(f"{stopped} is stopped: its role leaves bare metal")
            deploy.deploy(self.workspace, connection, self.cloud, self.progress)
            self.register()

    def register(self) -> None:
        """Write the cloud's credentials, if it has a Keystone."""
        if "keystone" in self.generated.services:
            url = heat_api.output(stacks.client(self.connect()), self.cloud, AUTH_URL)
            clouds.register(self.workspace, self.cloud, str(urlsplit(url).hostname))

    def verify(self) -> None:
        """Verify with real clients that the cloud works."""
        types, generated = self.types(), self.generated
        connection = self.connect()
        members = tuple(instances.of_cloud(connection, self.cloud))
        deployed = verify.Deployed(
            workspace=self.workspace,
            undercloud=connection,
            cloud=self.cloud,
            services=generated.services,
            instances=members,
            hypervisors=hypervisors(types, members),
        )
        given = heatenv.parameters(self.workspace, self.cloud)
        expected = sum(generated.counts(given).values())
        if len(members) != expected:
            raise AltostratusError(
                f"{self.cloud} has {len(members)} instances, not {expected}", "devtest deploy"
            )
        with self.step(f"verify {self.cloud}"):
            verify.verify(deployed, self.progress)

    def connect(self) -> Connection:
        """Return a connection to the undercloud."""
        return clouds.connect(self.workspace, undercloud.CLOUD)


def hypervisors(types: Mapping[str, str], members: Iterable[Instance]) -> dict[str, str]:
    """Return the hypervisor type of each instance by name; ``types`` has those of the roles.

    Raises AltostratusError for instances of roles that the cloud no longer has.
    """
    unknown = [f"{each.name} ({each.role})" for each in members if each.role not in types]
    if unknown:
        raise AltostratusError(
            f"instances of roles that the cloud does not have: {', '.join(unknown)}",
            "devtest deploy removes them",
        )
    return {each.name: types[each.role] for each in members}
