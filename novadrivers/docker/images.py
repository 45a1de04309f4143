# SPDX-License-Identifier: Apache-2.0
"""Glance's images in the daemon's store: a cache keyed by Glance's id, which is for ever.

An image is in the cache when it has the tag ``nova-glance/<Glance id>:latest``. When it was last
asked for is the time of a file of that name in the cache's directory: Docker keeps no such time for
images.
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
LOADED = ("Loaded image ID: ", "Loaded image: ")
"""How docker and podman name what they loaded."""


def tag(glance_id: str, repository: str = REPOSITORY) -> str:
    """Return the name of a Glance image in the daemon's store."""
    return f"{repository}/{glance_id}:latest"


def names(api: Any, repository: str) -> list[str]:
    """Return the last parts of the names ``repository/name:latest`` that the daemon has."""
    found = api.images(filters={"reference": f"*{repository}/*"})
    tags = [each for image in found for each in image["RepoTags"] or ()]
    # podman puts a registry before: docker.io/nova-glance/<id>:latest
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
            if glance_id in used or self._age(glance_id) < minimum_age:
                continue
            with lockutils.lock(f"docker-image-{glance_id}"):
                try:
                    self._api.remove_image(tag(glance_id))
                except errors.NotFound:
                    pass
                except errors.APIError as error:
                    LOG.warning("The image %s stays in the cache: %s", glance_id, error.explanation)
                    continue
                self._stamp(glance_id).unlink(missing_ok=True)
                removed.append(glance_id)
        return removed

    def clean(self) -> None:
        """Remove what a killed process left: downloads, images of snapshots."""
        self._directory.mkdir(parents=True, exist_ok=True)
        for path in self._directory.glob("*.tar"):
            path.unlink()
        for name in names(self._api, SNAPSHOTS):
            self._api.remove_image(tag(name, SNAPSHOTS))

    def _load(self, glance_id: str, fetch: Callable[[Path], None]) -> str:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{glance_id}.tar"
        try:
            fetch(path)
            content = archive.read(path)
            self._check(content)
            # One at a time: the names in an archive are free between the check and the removal.
            with lockutils.lock("docker-load"), self._foreign_tags(content):
                loaded = self._import(path)
                self._api.tag(loaded, f"{REPOSITORY}/{glance_id}", "latest")
        finally:
            path.unlink(missing_ok=True)
        image_id: str = self._api.inspect_image(tag(glance_id))["Id"]
        LOG.info("Loaded the image %s as %s", glance_id, image_id)
        return image_id

    def _check(self, content: archive.Archive) -> None:
        if content.operating_system != "linux":
            raise UnusableImage(f"it is for {content.operating_system}, not for linux")
        if content.architecture not in ("", self._architecture):
            raise UnusableImage(
                f"it is for {content.architecture}; this node is {self._architecture}"
            )
        for name in content.tags:
            if {REPOSITORY, SNAPSHOTS} & set(name.split("/")[:-1]):
                raise UnusableImage(f"it brings the tag {name}, which is reserved for this driver")

    @contextlib.contextmanager
    def _foreign_tags(self, content: archive.Archive) -> Iterator[None]:
        """Keep an archive's own names from outliving its load, and from taking others' images."""
        new = []
        for name in content.tags:
            try:
                owner = self._api.inspect_image(name)["Id"]
            except errors.NotFound:
                new.append(name)
                continue
            if owner != content.image_id:
                raise UnusableImage(
                    f"it brings the tag {name}, which another image on this node has"
                )
        yield
        for name in new:
            with contextlib.suppress(errors.NotFound):
                self._api.remove_image(name, noprune=True)

    def _import(self, path: Path) -> str:
        """Give the daemon the archive at ``path`` and return the name of the loaded image."""
        with path.open("rb") as file:
            for line in self._api.load_image(file):
                if "error" in line:
                    raise UnusableImage(f"docker refuses it: {line['error'].strip()}")
                for mark in LOADED:
                    _, found, name = line.get("stream", "").partition(mark)
                    if found:
                        return str(name.split()[0])
        raise UnusableImage("docker loaded no image from it")

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
