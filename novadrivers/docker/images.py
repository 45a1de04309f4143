# SPDX-License-Identifier: Apache-2.0
"""Cache of Glance's images in the daemon's store, by Glance id: an image never changes its id.

An image is in the cache if it has the tag ``nova-glance/<Glance id>:latest``. The daemon loads it
from an archive with only that name. So it is there completely or not at all, whatever dies
meanwhile, and the names that its author gave it stay free. The time of its last use is that of a
file in the cache's directory, because Docker does not record it.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from docker import APIClient, errors
from oslo_concurrency import lockutils
from oslo_utils import units

from novadrivers.docker import archive
from novadrivers.docker.errors import ImageTooBig, UnusableImage

LOG = logging.getLogger(__name__)

REPOSITORY = "nova-glance"
SNAPSHOTS = "nova-snapshot"
"""Repository of images that exist only during the upload of a snapshot."""
REGISTRY = "docker.io"
"""Registry of unqualified names: docker omits it; podman needs it, or it would choose one."""


def tag(glance_id: str, repository: str = REPOSITORY) -> str:
    """Return the name of a Glance image in the daemon's store."""
    return f"{repository}/{glance_id}:latest"


def full_tag(glance_id: str, repository: str = REPOSITORY) -> str:
    """Return the same name in the form that both docker and podman understand in an archive."""
    return f"{REGISTRY}/{tag(glance_id, repository)}"


def snapshot_file(directory: Path, name: str) -> Path:
    """Return the path of the snapshot ``name``: it exists before its image, and until the end."""
    return directory / f"snapshot-{name}.tar"


def names(api: APIClient, repository: str) -> list[str]:
    """Return ``name`` of all tags ``repository/name:latest`` that the daemon has."""
    found = api.images(filters={"reference": f"*{repository}/*"})
    tags = [each for image in found for each in image["RepoTags"] or ()]
    # podman has docker.io/nova-glance/<id>:latest.
    return [
        each.rsplit("/", 1)[1].partition(":")[0] for each in tags if f"/{repository}/" in f"/{each}"
    ]


class ImageCache:
    """Glance's images in the daemon's store."""

    def __init__(self, api: APIClient, directory: Path, architecture: str) -> None:
        """Use the daemon behind ``api``, with files in ``directory``, for ``architecture``."""
        self._api = api
        self._directory = directory
        self._architecture = architecture

    def ensure(self, glance_id: str, fetch: Callable[[Path], None]) -> str:
        """Return the daemon's id of a Glance image; load it first if it is missing.

        ``fetch`` downloads the image to a path. Raises UnusableImage if no instance can be made
        from it.
        """
        with lockutils.lock(f"docker-image-{glance_id}"):
            found = self.find(glance_id)
            if found is None:
                found = self._load(glance_id, fetch)
            self._used(glance_id)
            return found

    def find(self, glance_id: str) -> str | None:
        """Return the daemon's id of a Glance image, or None if it is not in the cache."""
        with contextlib.suppress(errors.NotFound):
            image_id: str = self._api.inspect_image(tag(glance_id))["Id"]
            return image_id
        return None

    def check_size(self, image_id: str, root_gb: int) -> None:
        """Raise ImageTooBig if the unpacked image is larger than ``root_gb`` GiB; 0 is no limit."""
        size = self._api.inspect_image(image_id)["Size"]
        if root_gb and size > root_gb * units.Gi:
            raise ImageTooBig(needed=size, given=root_gb * units.Gi)

    def expire(self, used: Collection[str], minimum_age: float) -> list[str]:
        """Remove all images except ``used``, and return the removed ones; all are Glance ids.

        Images used in the last ``minimum_age`` seconds, or by a container, are kept.
        """
        removed = []
        for glance_id in names(self._api, REPOSITORY):
            with lockutils.lock(f"docker-image-{glance_id}"):
                # Under the lock: ``ensure`` may just have used it for an instance.
                if glance_id in used or self._age(glance_id) < minimum_age:
                    continue
                if self._remove(tag(glance_id)):
                    self._stamp(glance_id).unlink(missing_ok=True)
                    removed.append(glance_id)
        return removed

    def clean(self) -> None:
        """Remove downloads and snapshots that a killed process left.

        Images that cannot be removed are logged and kept.
        """
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in self._directory.glob("*.tar"):
            path.unlink()
        self.drop_snapshots()

    def drop_snapshots(self) -> None:
        """Remove the images of snapshots that are not in progress.

        The daemon completes a snapshot even if nova-compute is killed, perhaps only after the next
        nova-compute has started.
        """
        for name in names(self._api, SNAPSHOTS):
            if not snapshot_file(self._directory, name).exists():
                self._remove(tag(name, SNAPSHOTS))

    def _remove(self, name: str) -> bool:
        """Remove a tag, and its image if it was the last one; return whether the tag is gone."""
        try:
            self._api.remove_image(name)
        except errors.NotFound:
            pass
        except errors.APIError as error:
            LOG.warning("Cannot remove the image %s: %s", name, error.explanation)
            return False
        return True

    def _load(self, glance_id: str, fetch: Callable[[Path], None]) -> str:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._directory / f"{glance_id}.tar"
        try:
            fetch(path)
            content = archive.read(path)
            self._check(content)
            self._import(content.renamed(full_tag(glance_id)))
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
            # "error" in the stream; "message" if the daemon rejected the request.
            reason = line.get("error") or line.get("message")
            if reason:
                raise UnusableImage(f"docker refuses it: {reason.strip()}")

    def _stamp(self, glance_id: str) -> Path:
        return self._directory / f"{glance_id}.used"

    def _used(self, glance_id: str) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._stamp(glance_id).touch()

    def _age(self, glance_id: str) -> float:
        """Return the seconds since an image was last used; for an unknown one they start now."""
        try:
            return time.time() - self._stamp(glance_id).stat().st_mtime
        except FileNotFoundError:
            self._used(glance_id)
            return 0.0
