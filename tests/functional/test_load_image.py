# SPDX-License-Identifier: Apache-2.0
"""load-image against the real Glance of the running undercloud (devtest undercloud start)."""

import hashlib
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
import tiny
import yaml

from devtest.workspace import Workspace

pytestmark = pytest.mark.gate

LOAD_IMAGE = Path(sys.executable).with_name("load-image")
# As much of a file system as load-image looks at.
EXT4 = bytes(1080) + b"\x53\xef"
LXC = {"hypervisor_type": "lxc", "hw_vm_mode": "exe"}


@pytest.fixture(scope="module")
def access(undercloud: Workspace) -> dict[str, str]:
    return {"OS_CLIENT_CONFIG_FILE": str(undercloud.clouds_yaml), "OS_CLOUD": "undercloud"}


class Images:
    """Images in Glance whose names begin with this test's own prefix."""

    def __init__(self, access: dict[str, str]) -> None:
        self.prefix = f"test-{uuid.uuid4()}"
        self.access = access
        os.environ["OS_CLIENT_CONFIG_FILE"] = access["OS_CLIENT_CONFIG_FILE"]
        self.connection = openstack.connect(cloud=access["OS_CLOUD"])

    def load(self, *arguments: str | Path) -> tuple[list[str], str]:
        """Run load-image; its ids and what it says."""
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.split(), result.stderr

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [LOAD_IMAGE, *arguments],
            env={**os.environ, **self.access},
            capture_output=True,
            text=True,
        )

    def found(self) -> list[Any]:
        every = self.connection.image.images()
        return [image for image in every if image.name.startswith(self.prefix)]

    def raw(self, image_id: str) -> dict[str, Any]:
        """The image as Glance itself describes it."""
        answer = self.connection.image.get(f"/images/{image_id}")
        document: dict[str, Any] = answer.json()
        return document


@pytest.fixture
def images(access: dict[str, str]) -> Iterator[Images]:
    ours = Images(access)
    yield ours
    for image in ours.found():
        ours.connection.image.delete_image(image.id)


@pytest.fixture
def file(images: Images, tmp_path: Path) -> Path:
    path = tmp_path / f"{images.prefix}.raw"
    path.write_bytes(EXT4 + os.urandom(3 * 2**20 + 17))
    return path


def test_upload_update_and_replace(images: Images, file: Path) -> None:
    (first,), err = images.load("--hypervisor", "lxc", file)
    assert "upload 3 MiB" in err
    found = images.raw(first)
    assert (found["status"], found["size"]) == ("active", file.stat().st_size)
    assert (found["disk_format"], found["container_format"]) == ("raw", "bare")
    assert LXC.items() <= found.items()

    (again,), err = images.load("--hypervisor", "lxc", file)
    assert again == first
    assert "is there already" in err

    (updated,), err = images.load("--hypervisor", "lxc", "--property", "os_distro=debian", file)
    assert updated == first
    assert "update os_distro" in err
    assert images.raw(first)["os_distro"] == "debian"

    file.write_bytes(EXT4 + b"other content")
    (other,), err = images.load("--hypervisor", "lxc", file)
    assert other != first
    assert "--replace deletes them" in err
    assert {image.id for image in images.found()} == {first, other}

    (kept,), _ = images.load("--hypervisor", "lxc", "--replace", file)
    assert kept == other
    assert [image.id for image in images.found()] == [other]


def test_replace_spares_similar_names(images: Images, file: Path) -> None:
    images.load("--hypervisor", "lxc", "--name", f"{images.prefix}-2", file)
    images.load("--hypervisor", "lxc", "--name", images.prefix.upper(), file)
    images.load("--hypervisor", "lxc", "--replace", file)
    names = {image.name for image in images.connection.image.images()}
    upper = images.prefix.upper()
    try:
        assert {images.prefix, f"{images.prefix}-2", upper} <= names
    finally:
        images.connection.image.delete_image(images.connection.image.find_image(upper).id)


def test_tags_follow_the_type(images: Images, file: Path, scratch: Path) -> None:
    archive = tiny.image("docker", scratch)
    (first,), _ = images.load("--hypervisor", "docker", "--name", images.prefix, archive)
    assert images.raw(first)["hypervisor_type"] == "docker"
    assert images.raw(first)["container_format"] == "docker"
    # Another container format is another image; Glance cannot change that of an existing one.
    (second,), _ = images.load("--hypervisor", "lxc", "--replace", file)
    assert second != first
    assert [image.id for image in images.found()] == [second]


def write_manifest(file: Path, name: str, digest: str) -> Path:
    """Write the manifest of an image for TestImage beside its file, and return its path."""
    status = file.stat()
    record = {
        "name": name,
        "file": file.name,
        "hypervisor": "lxc",
        "parameter": "TestImage",
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha512": digest,
    }
    path = file.parent / "manifest.json"
    path.write_text(json.dumps({"images": [record]}))
    return path


def test_a_file_that_is_not_the_manifests_is_refused(images: Images, file: Path) -> None:
    """Size and time say nothing: they are those of the manifest."""
    manifest = write_manifest(file, images.prefix, hashlib.sha512(b"other content").hexdigest())
    refused = images.run("--manifest", manifest)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "its digest is another one" in refused.stderr
    assert not images.found()


def test_manifest_becomes_an_environment(images: Images, file: Path, tmp_path: Path) -> None:
    write_manifest(file, images.prefix, hashlib.sha512(file.read_bytes()).hexdigest())
    environment = tmp_path / "images-env.yaml"
    (image_id,), err = images.load(
        "--manifest", tmp_path / "manifest.json", "--environment", environment
    )
    assert "warning" not in err
    assert yaml.safe_load(environment.read_text()) == {
        "parameter_defaults": {"TestImage": image_id}
    }
    assert LXC.items() <= images.raw(image_id).items()


def test_wrong_password_is_a_clear_error(access: dict[str, str], file: Path) -> None:
    clouds = yaml.safe_load(Path(access["OS_CLIENT_CONFIG_FILE"]).read_text())["clouds"]
    auth = {**clouds["undercloud"]["auth"], "password": "wrong"}
    names = {name.upper(): value for name, value in auth.items()}
    result = subprocess.run(
        [LOAD_IMAGE, "--hypervisor", "lxc", file],
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("OS_")},
            **{f"OS_{name}": str(value) for name, value in names.items()},
            "OS_IDENTITY_API_VERSION": "3",
        },
        capture_output=True,
        text=True,
        cwd="/",
    )
    assert (result.returncode, result.stdout) == (1, "")
    assert "error: OpenStack refuses the credentials" in result.stderr
