# SPDX-License-Identifier: Apache-2.0
"""Glance's images in the daemon's store: a cache keyed by Glance's id, which is for ever.

An image is in the cache when it has the tag ``nova-glance/<Glance id>:latest``. The daemon gets it
with that name in its archive and no other: whoever dies meanwhile, it is there whole or not at all,
and the names that its maker gave it are free for others. When it was last asked for is the time of
a file of that name in the cache's directory: Docker keeps no such time for images.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from docker import errors
from oslo_concurrency import lockutils
from oslo_utils import units

from novadrivers.docker import archive
from novadrivers.docker.errors import ImageTooBig, UnusableImage

LOG = logging.getLogger(__name__)

REPOSITORY = "nova-glance"
SNAPSHOTS = "nova-snapshot"
"""Repository of images that exist only while a snapshot is uploaded."""
REGISTRY = "docker.io"
"""What docker leaves out of a name and podman wants in it, unless it is to choose one itself."""


def tag(glance_id: str, repository: str = REPOSITORY) -> str:
    """Return the name of a Glance image in the daemon's store."""
    return f"{repository}/{glance_id}:latest"


def full_tag(glance_id: str, repository: str = REPOSITORY) -> str:
    """Return the same name as one that docker and podman understand alike in an archive."""
    return f"{REGISTRY}/{tag(glance_id, repository)}"


def snapshot_file(directory: Path, name: str) -> Path:
    """Return the file of the snapshot ``name``, which is there from before its image to the end."""
    return directory / f"snapshot-{name}.tar"


def names(api: Any, repository: str) -> list[str]:
    """Return the last parts of the names ``repository/name:latest`` that the daemon has."""
    found = api.images(filters={"reference": f"*{repository}/*"})
    tags = [each for image in found for each in image["RepoTags"] or ()]
    # podman says docker.io/nova-glance/<id>:latest
    return [
        each.rsplit("/", 1)[1].partition(":")[0] for each in tags if f"/{repository}/" in f"/{each}"
    ]


class ImageCache:
    """Images of Glance that the daemon has."""

    def __init__(self, api: Any, directory: Path, architecture: str) -> None:
        """Use the daemon behind ``api``, with files in ``directory``, for ``architecture``."""
        self._api = api
        self._directory = directory
        self._architecture = architecture

    def ensure(self, glance_id: str, fetch: Callable[[Path], None]) -> str:
        """Return the daemon's id of a Glance image, loading it first where it is missing.

        ``fetch`` writes the image's file to a path. Raises UnusableImage where it cannot be an
        instance's.
        """
        with lockutils.lock(f"docker-image-{glance_id}"):
            found = self.find(glance_id)
            if found is None:
                found = self._load(glance_id, fetch)
            self._used(glance_id)
            return found

    def find(self, glance_id: str) -> str | None:
        """Return the daemon's id of a Glance image, or None where the cache does not have it."""
        with contextlib.suppress(errors.NotFound):
            image_id: str = self._api.inspect_image(tag(glance_id))["Id"]
            return image_id
        return None

    def check_size(self, image_id: str, root_gb: int) -> None:
        """Raise ImageTooBig where the unpacked image is larger than ``root_gb`` GiB (0: any)."""
        size = self._api.inspect_image(image_id)["Size"]
        if root_gb and size > root_gb * units.Gi:
            raise ImageTooBig(needed=size, given=root_gb * units.Gi)

    def expire(self, used: Collection[str], minimum_age: float) -> list[str]:
        """Remove the images but those of ``used``, and return which: all are Glance ids.

        Images asked for in the last ``minimum_age`` seconds stay, and those that a container has.
        """
        removed = []
        for glance_id in names(self._api, REPOSITORY):
            with lockutils.lock(f"docker-image-{glance_id}"):
                # Under the lock: one that was just given to an instance is young.
                if glance_id in used or self._age(glance_id) < minimum_age:
                    continue
                if self._remove(tag(glance_id)):
                    self._stamp(glance_id).unlink(missing_ok=True)
                    removed.append(glance_id)
        return removed

    def clean(self) -> None:
        """Remove what a killed process left: downloads, images of snapshots.

        An image that cannot be removed does not keep the driver from its work.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.glob("*.tar"):
            path.unlink()
        self.drop_snapshots()

    def drop_snapshots(self) -> None:
        """Remove the images of snapshots that nobody is making.

        The daemon finishes one whose process was killed, perhaps after the next one's start.
        """
        for name in names(self._api, SNAPSHOTS):
            if not snapshot_file(self._directory, name).exists():
                self._remove(tag(name, SNAPSHOTS))

    def _remove(self, name: str) -> bool:
        """Remove an image's name, and the image with its last one; return whether it is gone."""
        try:
            self._api.remove_image(name)
        except errors.NotFound:
            pass
        except errors.APIError as error:
            LOG.warning("The image %s stays: %s", name, error.explanation)
            return False
        return True

    def _load(self, glance_id: str, fetch: Callable[[Path], None]) -> str:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{glance_id}.tar"
        try:
            fetch(path)
            content = archive.read(path)
            self._check(content)
            self._import(content.named(full_tag(glance_id)))
        finally:
            path.unlink(missing_ok=True)
        image_id = self.find(glance_id)
        if image_id is None:
            raise UnusableImage("docker loaded no image from it")
        LOG.info("Loaded the image %s as %s", glance_id, image_id)
        return image_id

    def _check(self, content: archive.Archive) -> None:
        if content.operating_system != "linux":
            raise UnusableImage(f"it is for {content.operating_system}, not for linux")
        if content.architecture not in ("", self._architecture):
            raise UnusableImage(
                f"it is for {content.architecture}; this node is {self._architecture}"
            )

    def _import(self, content: Iterator[bytes]) -> None:
        for line in self._api.load_image(content):
            # In the stream, or in the answer of a daemon that did not even begin.
            reason = line.get("error") or line.get("message")
            if reason:
                raise UnusableImage(f"docker refuses it: {reason.strip()}")

    def _stamp(self, glance_id: str) -> Path:
        return self._directory / f"{glance_id}.used"

    def _used(self, glance_id: str) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        self._stamp(glance_id).touch()

    def _age(self, glance_id: str) -> float:
        """Return the seconds since an image was last asked for; an unknown one's begin now."""
        try:
            return time.time() - self._stamp(glance_id).stat().st_mtime
        except FileNotFoundError:
            self._used(glance_id)
            return 0.0
