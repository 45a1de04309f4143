# SPDX-License-Identifier: Apache-2.0
"""The steps from a cloud file to a verified cloud; each does nothing where nothing changed.

The steps call the project's own commands, with files between them: what devtest does can be done
by hand, and continued from any point.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from devtest import clouds, deploy, instances, prepare, undercloud, verify
from devtest.workspace import Workspace
from generator import cloudfile, contracts
from generator.cloud import Cloud
from imagebuild import datafiles
from imagebuild.console import Progress
from imagebuild.errors import AltostratusError
from imagebuild.files import write_text
from imagebuild.process import CommandError, run

if TYPE_CHECKING:
    from openstack.connection import Connection

DEFAULT_CLOUD = "overcloud-lxc.yaml"
UNDERCLOUD = "undercloud.yaml"
# Environment files besides what generate-stacks writes: image ids, and the key of this workspace.
IMAGES_ENVIRONMENT = "images-env.yaml"
DEVTEST_ENVIRONMENT = "devtest-env.yaml"


@dataclass(frozen=True)
class Chain:
    """The steps for one cloud file: ``cloud`` is its model, ``file`` its path."""

    workspace: Workspace
    cloud: Cloud
    file: Path
    progress: Progress

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
        pairs = ((undercloud.CLOUD, datafiles.examples_path() / UNDERCLOUD), self._own())
        for name, file in pairs:
            with self.step(f"generate {name}"):
                tool("generator.generate", [file, "-o", self.workspace.stacks(name)])
        for name, _ in pairs:
            with self.step(f"build images of {name}"):
                listed = self.workspace.stacks(name) / "images.yaml"
                tool("imagebuild.build", ["-c", listed, "-o", self.workspace.images(name)])

    def _own(self) -> tuple[str, Path]:
        return self.cloud.name, self.file

    def start(self) -> None:
        """Start the undercloud and wait until it answers."""
        with self.step("start undercloud"):
            undercloud.start(self.workspace)
            address = undercloud.address(self.workspace)
            clouds.register(self.workspace, undercloud.CLOUD, address)

    def load(self) -> None:
        """Give the undercloud what the cloud needs: key, flavors, networks, images."""
        stacks, images = (
            self.workspace.stacks(self.cloud.name),
            self.workspace.images(self.cloud.name),
        )
        access = {
            "OS_CLIENT_CONFIG_FILE": str(self.workspace.clouds_yaml),
            "OS_CLOUD": undercloud.CLOUD,
        }
        connection = self.connect()
        with self.step("prepare undercloud"):
            kinds = {role.hypervisor for role in self.cloud.roles.values()}
            prepare.await_hypervisors(connection, kinds)
            prepare.lift_quotas(connection)
            prepare.upload_key(connection, prepare.ensure_key(self.workspace))
            prepare.ensure_flavors(self.workspace, connection, self.cloud.name)
            tool("generator.neutron", ["-n", str(stacks / "networks.json")], access)
        with self.step("load images"):
            manifest = ["--manifest", str(images / "manifest.json")]
            tool(
                "imagebuild.load",
                [*manifest, "--replace", "--environment", str(stacks / IMAGES_ENVIRONMENT)],
                access,
            )

    def deploy(self) -> None:
        """Create or update the cloud's stack and register its credentials."""
        name = self.cloud.name
        with self.step(f"deploy {name}"):
            text = yaml.safe_dump({"parameters": {"KeyName": instances.KEYPAIR}})
            write_text(self.workspace.stacks(name) / DEVTEST_ENVIRONMENT, text)
            connection = self.connect()
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
        connection = self.connect()
        roles = self.cloud.roles
        members = tuple(instances.of_cloud(connection, self.cloud.name))
        deployed = verify.Deployed(
            workspace=self.workspace,
            undercloud=connection,
            cloud=self.cloud.name,
            services=frozenset(name for role in roles.values() for name in role.services),
            instances=members,
            hypervisors={each.name: roles[each.role].hypervisor for each in members},
        )
        expected = sum(role.count for role in roles.values())
        if len(members) != expected:
            raise AltostratusError(
                f"{self.cloud.name} has {len(members)} instances, not {expected}", "devtest deploy"
            )
        with self.step(f"verify {self.cloud.name}"):
            verify.verify(deployed, self.progress)

    def connect(self) -> Connection:
        """Return a connection to the undercloud."""
        return clouds.connect(self.workspace, undercloud.CLOUD)


def read(file: Path | None) -> tuple[Cloud, Path]:
    """Return the model and the path of a cloud file (None: the default example).

    Raises InputError with every problem of the file.
    """
    path = file or datafiles.examples_path() / DEFAULT_CLOUD
    return cloudfile.load(path, contracts.load(datafiles.elements_path())), path.absolute()


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
