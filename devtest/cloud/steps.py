# SPDX-License-Identifier: Apache-2.0
"""The steps from a cloud file to a verified cloud; each does nothing where nothing changed.

The steps call the project's own commands, with files between them: what devtest does can be done
by hand, and continued from any point. After ``build`` they work on what was generated, not on the
cloud file, which may have been edited since.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from altostratus.clients import heat as heat_api
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS, Layout
from devtest import clouds, limits, needs, ownelements, undercloud
from devtest.cloud import choices, deploy, heatenv, stacks, verify
from devtest.cloud.choices import Choices
from devtest.cloud.cloudfiles import RAMDISK
from devtest.tools import tool
from devtest.undercloud import baremetal, instances, nodes, prepare
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator.cloudfile.model import Cloud
from generator.output.generated import AUTH_URL, Generated
from imagebuild.manifest import FILE as MANIFEST

if TYPE_CHECKING:
    from openstack.connection import Connection

# Of a whole run, and what bare metal adds: the deploy ramdisk, the nodes.
STEPS = 9
STEPS_OF_BARE_METAL = 2
FIRST_BUILD = "2 to 4 min the first time, then seconds"


@dataclass
class Steps:
    """The steps for the cloud called ``cloud``, whose cloud file is ``file``.

    ``hypervisor`` is the type of all its roles, whatever the file says (None: as the file says).
    ``heat_env`` is a new file of the user's parameters (None: the kept one,
    see ``devtest.cloud.heatenv``). ``model`` is the content of the cloud file (None: not read), and
    ``option`` what is kept of ``--hypervisor`` (``devtest.cloud.choices``). ``total`` is the number
    of steps to come, if it is known. With ``verbose`` the results of the tools are shown, too.
    ``failed`` is the step that failed or was interrupted, if any.
    """

    workspace: Workspace
    cloud: str
    file: Path
    progress: Progress
    hypervisor: str | None = None
    heat_env: Path | None = None
    model: Cloud | None = None
    option: str | None = None
    total: int = 0
    verbose: bool = False
    failed: str | None = None

    @property
    def generated(self) -> Generated:
        """What ``build`` generated for the cloud, as it is now on disk."""
        return self.workspace.generated(self.cloud)

    @contextlib.contextmanager
    def step(self, name: str, usual: str = "") -> Iterator[None]:
        """Print the name of a step before its output and its seconds after it, and record them.

        ``usual`` is how long it takes as a rule.
        """
        started = time.monotonic()
        number = len(self.progress.steps) + 1
        place = f"step {number} of {self.total}: " if self.total else ""
        self.progress.note(f"== {place}{name}{f' ({usual})' if usual else ''}")
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
            with self.step(f"generate {name}", "a second"):
                self._tool("generator.generate", self._generate(name, file))
        heatenv.adopt(self.workspace, self.cloud, self.heat_env)
        choices.keep(self.workspace, self.cloud, Choices(self.option, str(self.file)))
        for name, _ in pairs:
            with self.step(f"build images of {name}", FIRST_BUILD):
                listed = self.workspace.generated(name).images
                self._tool("imagebuild.build", ["-c", listed, "-o", self.workspace.images(name)])
        if self.machines():
            with self.step("build deploy ramdisk", "about a minute the first time"):
                output = self.workspace.images(RAMDISK)
                self._tool("imagebuild.build", ["--deploy-ramdisk", "-o", output])

    def _tool(
        self,
        module: str,
        arguments: Sequence[str | Path],
        environment: dict[str, str] | None = None,
    ) -> None:
        """Run one of the project's commands; ids and paths that it prints are for ``verbose``."""
        paths = module == "generator.generate" and not self.verbose
        quiet = ["--quiet"] if paths or self.progress.quiet else []
        tool(module, [*quiet, *arguments], environment, results=self.verbose)

    def _generate(self, name: str, file: Path) -> list[str | Path]:
        is_own = name == self.cloud
        options = ["--hypervisor", self.hypervisor] if self.hypervisor and is_own else []
        return [file, "-o", self.workspace.stacks(name), *options]

    def count(self) -> int:
        """Return the number of steps of a whole run."""
        roles = self.model.roles.values() if self.model else ()
        bare = any(HYPERVISORS[role.hypervisor].bare_metal for role in roles)
        return STEPS + (STEPS_OF_BARE_METAL if bare else 0)

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
        with self.step("start undercloud", "about 40 s, the first time a minute"):
            self.lift_limits()
            with self.progress.activity("the undercloud starts its services"):
                undercloud.start(self.workspace)
            address = undercloud.address(self.workspace)
            clouds.register(self.workspace, undercloud.CLOUD, address)
            nodes.resume(self.workspace)

    def lift_limits(self, more: int = 0) -> None:
        """Raise what the host limits, for all clouds and ``more`` further nodes."""
        wanted = needs.of(self.workspace, self.model)
        own = nodes.processes_of_all(self.workspace)
        for line in limits.lift(self.workspace.state, wanted.guests + more, own):
            self.progress.note(line)

    def load(self) -> None:
        """Give the undercloud what the cloud needs: key, flavors, networks, images."""
        generated, images = self.generated, self.workspace.images(self.cloud)
        self._need(generated.flavors, images / MANIFEST)
        access = self._access()
        connection = self.connect()
        with self.step("prepare undercloud", "some seconds"):
            prepare.lift_quotas(connection)
            prepare.upload_key(connection, prepare.ensure_key(self.workspace))
            self._tool("setupcloud.flavors", ["-f", generated.flavors], access)
            self._tool("setupcloud.networks", ["-n", generated.networks_file], access)
        with self.step("load images", "about 15 s for new ones"):
            environment = ["--environment", str(generated.directory / heatenv.IMAGES)]
            manifest = ["--manifest", str(images / MANIFEST), "--replace"]
            self._tool("imagebuild.load", [*manifest, *environment], access)
        if machines := self.machines():
            with self.step("enrol bare-metal nodes", "about a minute"):
                self.enrol(baremetal.missing(connection, self.cloud, machines))
        prepare.await_hypervisors(connection, set(self.types().values()))

    def enrol(self, free: int) -> None:
        """Make and enrol virtual bare-metal nodes until ``free`` of them have no server."""
        manifest = self.workspace.images(RAMDISK) / MANIFEST
        self._tool("imagebuild.load", ["--manifest", manifest, "--replace"], self._access())
        connection = self.connect()
        described = baremetal.make(self.workspace, connection, free)
        self._tool("setupcloud.nodes", ["-n", described], self._access())
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
        with self.step(f"deploy {self.cloud}", self._usual_deployment()):
            self.lift_limits()
            heatenv.adopt(self.workspace, self.cloud, self.heat_env)
            heatenv.merge(self.workspace, self.cloud)
            connection = self.connect()
            for stopped in baremetal.stop_leaving(connection, self.cloud, self.machines()):
                self.progress.note(f"{stopped} is stopped: its role leaves bare metal")
            deploy.deploy(self.workspace, connection, self.cloud, self.progress)
            self.register()

    def _usual_deployment(self) -> str:
        """Return how long the first deployment of the cloud usually takes (docs/performance.md)."""
        slow = [name for name in self.types().values() if HYPERVISORS[name].layout is Layout.DISK]
        return "5 to 10 min where machines are emulated" if slow else "about a minute"

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
                f"{self.cloud} has {len(members)} instances, not {expected}",
                # Heat does not see that a server was deleted: the stack would stay as it is.
                "devtest deploy if the number was changed; if instances were deleted by hand, "
                f"devtest destroy --cloud {self.cloud}, then devtest run",
            )
        with self.step(f"verify {self.cloud}", "some seconds"):
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
