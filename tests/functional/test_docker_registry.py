# SPDX-License-Identifier: Apache-2.0
"""A registry of container images in an instance, and a docker node that pushes and pulls."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import devtest

from altostratus.datafiles import examples_path
from devtest import clouds, container
from devtest import undercloud as node
from devtest.cloud import stacks
from devtest.undercloud import instances
from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

CLOUD = "registry"
ROLES = """
roles:
  registry:
    hypervisor: docker
    services: [docker-registry]
    flavor: {ram: 512}
"""


@pytest.fixture(scope="module")
def registry(undercloud: Workspace, scratch: Path, keep: bool) -> Iterator[str]:
    """ADDRESS:PORT of the registry."""
    file = scratch / f"{CLOUD}.yaml"
    example = (examples_path() / "overcloud.yaml").read_text()
    head = example[: example.index("\nroles:")]
    file.write_text(head.replace("name: overcloud", f"name: {CLOUD}") + ROLES)
    assert devtest("run", "--cloud", str(file)).returncode == 0
    connection = clouds.connect(undercloud, "undercloud")
    instance = instances.find(connection, f"{CLOUD}/registry-0")
    yield f"{instance.addresses['ctlplane']}:8787"
    if not keep:
        stacks.delete(stacks.client(connection), CLOUD)


def test_an_image_is_pushed_and_pulled(undercloud: Workspace, registry: str, scratch: Path) -> None:
    spec, name = node.current(undercloud), f"{registry}/tests/hello:1"

    def docker(*words: str) -> str:
        return container.inside(spec, "docker", *words).strip()

    (scratch / "hello").write_text("from the registry\n")
    archive = scratch / "hello.tar"
    subprocess.run(["tar", "-C", scratch, "-cf", archive, "hello"], check=True)
    command = container.enter_command(spec, ["docker", "import", "-", name])
    with archive.open("rb") as source:
        subprocess.run(command, stdin=source, check=True)
    made = docker("image", "inspect", "--format", "{{.Id}}", name)
    docker("push", "--quiet", name)
    docker("image", "rm", name)
    assert made not in docker("image", "ls", "--all", "--quiet", "--no-trunc")
    docker("pull", "--quiet", name)
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == made
    docker("image", "rm", name)
