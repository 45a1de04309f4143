# SPDX-License-Identifier: Apache-2.0
"""Uploads image files to an image service, unless they are there already."""

import datetime
import itertools
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from altostratus import files
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS
from imagebuild.glance.store import ImageStore, delete_if_there

DIGEST = "sha512"
"""What Glance computes by default (``hashing_algorithm``)."""

MANAGED = frozenset(name for row in HYPERVISORS.values() for name in row.properties)
"""Properties that depend on the hypervisor type; an image loses those that its type lacks."""

ABANDONED_AFTER = datetime.timedelta(minutes=1)
"""An image without data for this long was left by a killed upload: load-image sends the data at
once, and Glance sets an image whose upload breaks off back to ``queued``."""

LONGEST_UPLOAD = 900.0
"""Seconds to wait for the data of an older image of the same name, which another sends."""
POLL = 1.0


@dataclass
class Upload:
    """An image file and how it should be described in the image service."""

    path: Path
    name: str
    disk_format: str
    container_format: str
    properties: Mapping[str, str]
    digests: dict[str, str] = field(default_factory=dict)
    """Known digests of the content by hashlib name."""
    boot_files: Mapping[str, "Upload"] = field(default_factory=dict)
    """Kernel and ramdisk of an image without a boot loader."""

    @property
    def tagged(self) -> bool:
        """Return whether Nova starts the image on one hypervisor type only, or never directly."""
        return "hypervisor_type" in self.properties or self.container_format in ("aki", "ari")

    def digest(self, algorithm: str) -> str:
        """Return the digest of the content, computed at most once."""
        if algorithm not in self.digests:
            self.digests.update(files.digests(self.path, algorithm))
        return self.digests[algorithm]


def load(upload: Upload, store: ImageStore, supersede: bool, progress: Progress) -> str:
    """Make sure that ``store`` has the image of ``upload`` and return its id.

    Data that is there under the same name is not sent again; its properties are corrected. With
    ``supersede``, other images of exactly that name are deleted afterwards. A failed upload is
    undone, now or by the next call, so that no image without data is left. Kernel and ramdisk
    become images of their own, named by the properties ``kernel_id`` and ``ramdisk_id``.

    Others may load the same image at the same time. Of images with the same content the oldest
    stays, for all of them. Raises AltostratusError if another deletes the image meanwhile.
    """
    parts = {
        f"{name}_id": load(part, store, supersede, progress)
        for name, part in upload.boot_files.items()
    }
    upload = replace(upload, properties={**upload.properties, **parts})
    before = _without_abandoned(store.find(upload.name), store, progress)
    image: Mapping[str, Any] | None = next((i for i in before if _has_content(i, upload)), None)
    sent = None
    if image is None:
        sent = _send(upload, store, progress)
        image = _keep_oldest(sent, upload, store, progress)
    image_id = str(image["id"])
    if image_id != sent:
        _correct(image, upload, store, progress)
    if supersede:
        _delete_others(image_id, {str(each["id"]) for each in before}, upload, store, progress)
    now = [str(each["id"]) for each in _settled(store.find(upload.name))]
    if image_id not in now:
        raise AltostratusError(
            f"{upload.name}: image {image_id} was deleted while it was being loaded",
            "does another load-image --replace run? Run the same command again",
        )
    if others := [each for each in now if each != image_id]:
        progress.note(
            f"warning: {len(others)} other image(s) are named {upload.name}: {', '.join(others)};"
            " --replace deletes them, `openstack image delete ID` one of them"
        )
    return image_id


def _keep_oldest(
    sent: str, upload: Upload, store: ImageStore, progress: Progress
) -> Mapping[str, Any]:
    """Return the oldest image with the content of ``upload``; delete the one ``sent`` if younger.

    All who load the content at the same time agree on it: who finds an older image whose data is
    still on its way waits for it.
    """
    deadline = time.monotonic() + LONGEST_UPLOAD
    waiting: set[str] = set()
    while True:
        found = store.find(upload.name)
        older = list(itertools.takewhile(lambda image: image["id"] != sent, found))
        if same := [image for image in older if _has_content(image, upload)]:
            with progress.step(f"{upload.name}: {same[0]['id']} is the same; delete {sent}"):
                delete_if_there(store, sent)
            return same[0]
        coming = {str(image["id"]) for image in older if _is_coming(image)}
        if not coming or time.monotonic() > deadline:
            return next((image for image in found if image["id"] == sent), {"id": sent})
        if coming - waiting:
            names = ", ".join(sorted(coming))
            progress.note(f"{upload.name}: waiting for an older upload of the name, {names}")
        waiting |= coming
        time.sleep(POLL)


def _delete_others(
    image_id: str, before: Set[str], upload: Upload, store: ImageStore, progress: Progress
) -> None:
    """Delete images of the name of ``upload`` that are older or were there ``before``.

    A younger one belongs to another who loads an image now.
    """
    found = _settled(store.find(upload.name))
    ids = [str(image["id"]) for image in found]
    older = set(itertools.takewhile(lambda each: each != image_id, ids))
    if others := [each for each in ids if each != image_id and each in older | before]:
        with progress.step(f"{upload.name}: delete {len(others)} older, {', '.join(others)}"):
            for other in others:
                delete_if_there(store, other)


def _settled(images: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return those of ``images`` that have their data and are not being deleted."""
    return [image for image in images if image.get("status") in ("active", "deactivated")]


def _is_coming(image: Mapping[str, Any]) -> bool:
    """Return whether the data of ``image`` may be on its way."""
    if image.get("status") == "queued":
        return not _is_abandoned(image)
    return image.get("status") in ("saving", "uploading", "importing")


def property_changes(
    image: Mapping[str, Any], wanted: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the properties to set and those to remove so that ``image`` has those ``wanted``."""
    changed = {name: value for name, value in wanted.items() if image.get(name) != value}
    # An image without a type of ours keeps the tags that others gave it.
    stale = MANAGED if "hypervisor_type" in wanted else frozenset()
    return changed, sorted(name for name in stale - wanted.keys() if image.get(name) is not None)


def _without_abandoned(
    images: list[dict[str, Any]], store: ImageStore, progress: Progress
) -> list[dict[str, Any]]:
    kept = []
    for image in images:
        if image.get("status") == "queued" and _is_abandoned(image):
            with progress.step(f"{image['name']}: delete an image without data, {image['id']}"):
                delete_if_there(store, str(image["id"]))
        else:
            kept.append(image)
    return kept


def _is_abandoned(image: Mapping[str, Any]) -> bool:
    created = datetime.datetime.fromisoformat(str(image["created_at"]))
    return datetime.datetime.now(datetime.UTC) - created > ABANDONED_AFTER


def _has_content(image: Mapping[str, Any], upload: Upload) -> bool:
    formats = (image.get("disk_format"), image.get("container_format"))
    if image.get("status") != "active":
        return False
    if formats != (upload.disk_format, upload.container_format):
        return False
    return _same_digest(image, upload)


def _same_digest(image: Mapping[str, Any], upload: Upload) -> bool:
    if image.get("os_hash_value"):
        algorithm = str(image.get("os_hash_algo") or DIGEST)
        return bool(image["os_hash_value"] == upload.digest(algorithm))
    return bool(image.get("checksum") == upload.digest("md5"))


def _send(upload: Upload, store: ImageStore, progress: Progress) -> str:
    size = upload.path.stat().st_size
    with progress.step(f"{upload.name}: upload {size / 2**20:.0f} MiB"):
        image_id = store.create(
            {
                "name": upload.name,
                "disk_format": upload.disk_format,
                "container_format": upload.container_format,
                **upload.properties,
            }
        )
        try:
            image = store.upload(image_id, upload.path)
            if not _same_digest(image, upload):
                raise AltostratusError(
                    f"{upload.name} arrived damaged: its digest in the image service differs",
                    "run the same command again; was the file changed during the upload?",
                )
        except BaseException:
            try:
                store.delete(image_id)
            except AltostratusError as error:
                progress.note(f"image {image_id} without data is left: {error.message}")
            raise
    return image_id


def _correct(
    image: Mapping[str, Any], upload: Upload, store: ImageStore, progress: Progress
) -> None:
    changed, removed = property_changes(image, upload.properties)
    if not changed and not removed:
        progress.note(f"{upload.name}: is there already")
        return
    with progress.step(f"{upload.name}: update {', '.join([*changed, *removed])}"):
        store.update(str(image["id"]), changed, removed)
