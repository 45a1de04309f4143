# SPDX-License-Identifier: Apache-2.0
"""Glance, through python-glanceclient: images as the dictionaries of its API.

https://docs.openstack.org/api-ref/image/v2/
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

from altostratus.clients import session
from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.session import Region
from altostratus.errors import AltostratusError

SERVICE = "Glance"


class SeveralError(AltostratusError):
    """Several images have the name that was given."""


class Glance:
    """The images of a region. Methods raise ServiceError if Glance refuses or does not answer."""

    def __init__(self, region: Region | None = None) -> None:
        """Prepare to talk to the Glance of ``region`` (None: the one that the environment selects).

        Raises InputError for missing or wrong credentials.
        """
        region = region or session.current()
        with translated(SERVICE):
            import glanceclient

            self._session = region.get_session()
            self._choice = {
                "region_name": region.region_name or None,
                "interface": region.get_interface("image"),
            }
            self._images = glanceclient.Client("2", session=self._session, **self._choice).images

    def endpoint(self) -> str:
        """Return the URL of the service, which tells it from those of other clouds."""
        with translated(SERVICE):
            return str(self._session.get_endpoint(service_type="image", **self._choice))

    def find(self, name: str) -> list[dict[str, Any]]:
        """Return the images of exactly this name, oldest first."""
        with translated(SERVICE):
            # glanceclient asks only when the list is read.
            found = [dict(image) for image in self._images.list(filters={"name": name})]
        # Glance compares as its database does: MySQL ignores the case.
        exact = [image for image in found if image["name"] == name]
        return sorted(exact, key=lambda image: (str(image.get("created_at")), str(image["id"])))

    def identify(self, name_or_id: str) -> str | None:
        """Return the id of the image with this id or, else, this name; None if there is none.

        Raises SeveralError if several images have the name.
        """
        try:
            return str(self.get(name_or_id)["id"])
        except ServiceError as error:
            # 400 is for what Glance takes for no id at all.
            if error.status not in (400, 404):
                raise
        found = [str(image["id"]) for image in self.find(name_or_id)]
        if len(found) > 1:
            raise SeveralError(
                f"several images are named {name_or_id}: {', '.join(found)}",
                "use the id, or delete the others: openstack image delete ID",
            )
        return found[0] if found else None

    def get(self, image_id: str) -> dict[str, Any]:
        """Return the description of an image."""
        with translated(SERVICE):
            return dict(self._images.get(image_id))

    def create(self, attributes: Mapping[str, str]) -> str:
        """Create an image without data and return its id."""
        with translated(SERVICE):
            return str(self._images.create(**attributes)["id"])

    def upload(self, image_id: str, path: Path) -> dict[str, Any]:
        """Send the content of ``path`` and return the image's new description."""
        with path.open("rb") as stream:
            self.send(image_id, stream)
        return self.get(image_id)

    def send(self, image_id: str, stream: IO[bytes]) -> None:
        """Send the data of an image."""
        with translated(SERVICE):
            self._images.upload(image_id, stream)

    def data(self, image_id: str) -> bytes:
        """Return the data of an image, unchecked."""
        with translated(SERVICE):
            return b"".join(self._images.data(image_id, do_checksum=False) or ())

    def update(self, image_id: str, changed: Mapping[str, str], removed: Iterable[str]) -> None:
        """Set and remove properties."""
        with translated(SERVICE):
            self._images.update(image_id, list(removed), **changed)

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        with translated(SERVICE):
            self._images.delete(image_id)
