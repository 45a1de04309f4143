# SPDX-License-Identifier: Apache-2.0
"""Uploads image files to an image service, unless they are there already."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from altostratus import files
from altostratus.console import Progress
from altostratus.errors import AltostratusError
from altostratus.hypervisors import HYPERVISORS
from imagebuild.glance.store import ImageStore

DIGEST = "sha512"
"""What Glance computes by default (``hashing_algorithm``)."""

MANAGED = frozenset(name for row in HYPERVISORS.values() for name in row.properties)
"""Properties that depend on the hypervisor type; an image loses those that its type lacks."""

ABANDONED_AFTER = datetime.timedelta(minutes=1)
"""An image without data for this long was left by a killed upload: load-image sends the data at
once, and Glance sets an image whose upload breaks off back to ``queued``."""


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
    """
    parts = {
        f"{name}_id": load(part, store, supersede, progress)
        for name, part in upload.boot_files.items()
    }
    upload = replace(upload, properties={**upload.properties, **parts})
    namesakes = _without_abandoned(store.find(upload.name), store, progress)
    existing = next((image for image in namesakes if _has_content(image, upload)), None)
    if existing is None:
        image_id = _send(upload, store, progress)
    else:
        image_id = str(existing["id"])
        _correct(existing, upload, store, progress)
    others = [str(image["id"]) for image in namesakes if image["id"] != image_id]
    if others and supersede:
        with progress.step(f"{upload.name}: delete {len(others)} older"):
            for other in others:
                store.delete(other)
    elif others:
        progress.note(
            f"warning: {len(others)} other image(s) are named {upload.name}; --replace deletes them"
        )
    return image_id


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
    now = datetime.datetime.now(datetime.UTC)
    kept = []
    for image in images:
        created = datetime.datetime.fromisoformat(str(image["created_at"]))
        if image.get("status") == "queued" and now - created > ABANDONED_AFTER:
            with progress.step(f"{image['name']}: delete an image without data, {image['id']}"):
                store.delete(str(image["id"]))
        else:
            kept.append(image)
    return kept


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
            store.delete(image_id)
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
