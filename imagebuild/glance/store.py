# SPDX-License-Identifier: Apache-2.0
"""The image service as load-image needs it; ``Glance`` is the one there is outside tests."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from altostratus.clients.errors import ServiceError
from altostratus.clients.glance import Glance

__all__ = ["Glance", "ImageStore", "delete_if_there"]


class ImageStore(Protocol):
    """What load-image needs of an image service."""

    def find(self, name: str) -> list[dict[str, Any]]:
        """Return the images of exactly this name, as Glance describes them."""

    def create(self, attributes: Mapping[str, str]) -> str:
        """Create an image without data and return its id."""

    def upload(self, image_id: str, path: Path) -> dict[str, Any]:
        """Send the data of an image; return its description with Glance's digests."""

    def update(self, image_id: str, changed: Mapping[str, str], removed: Iterable[str]) -> None:
        """Set and remove properties."""

    def delete(self, image_id: str) -> None:
        """Delete an image."""


def delete_if_there(store: ImageStore, image_id: str) -> None:
    """Delete an image that another may have deleted before. Raises ServiceError for the rest."""
    try:
        store.delete(image_id)
    except ServiceError as error:
        if error.status != 404:
            raise
