# SPDX-License-Identifier: Apache-2.0
"""The image service, through python-glanceclient: the five calls that load-image makes.

Credentials are found as every OpenStack client finds them: ``OS_CLOUD`` with clouds.yaml, or the
``OS_*`` variables (openstacksdk's configuration, keystoneauth's session).
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from altostratus import credentials
from altostratus.errors import AltostratusError

SERVICE = "the image service"


class ImageStore(Protocol):
    """What load-image needs of an image service."""

    def find(self, name: str) -> list[dict[str, Any]]:
        """Return the images of exactly this name, as Glance describes them."""

    def create(self, attributes: Mapping[str, str]) -> str:
        """Make an image without data and return its id."""

    def upload(self, image_id: str, path: Path) -> dict[str, Any]:
        """Send the data of an image; return its description with Glance's digests."""

    def update(self, image_id: str, changed: Mapping[str, str], removed: Iterable[str]) -> None:
        """Set and remove properties."""

    def delete(self, image_id: str) -> None:
        """Delete an image."""


class Glance:
    """The ImageStore that the environment's credentials lead to."""

    def __init__(self) -> None:
        """Find credentials and endpoint.

        Raises InputError for missing or wrong ones, AltostratusError for an unreachable service.
        """
        with _clear_errors():
            import glanceclient
            import openstack.config

            region = openstack.config.OpenStackConfig().get_one(credentials.cloud())
            self._images = glanceclient.Client(
                "2",
                session=region.get_session(),
                region_name=region.region_name or None,
                interface=region.get_interface("image"),
            ).images

    def find(self, name: str) -> list[dict[str, Any]]:
        """Return the images of exactly this name, oldest first."""
        with _clear_errors():
            found = [dict(image) for image in self._images.list(filters={"name": name})]
        # Glance compares as its database does: MySQL ignores the case.
        exact = [image for image in found if image["name"] == name]
        return sorted(exact, key=lambda image: str(image.get("created_at")))

    def create(self, attributes: Mapping[str, str]) -> str:
        """Make an image without data and return its id."""
        with _clear_errors():
            return str(self._images.create(**attributes)["id"])

    def upload(self, image_id: str, path: Path) -> dict[str, Any]:
        """Send the content of ``path`` and return the image's new description."""
        with _clear_errors(), path.open("rb") as stream:
            self._images.upload(image_id, stream)
            return dict(self._images.get(image_id))

    def update(self, image_id: str, changed: Mapping[str, str], removed: Iterable[str]) -> None:
        """Set and remove properties."""
        with _clear_errors():
            self._images.update(image_id, list(removed), **changed)

    def delete(self, image_id: str) -> None:
        """Delete an image."""
        with _clear_errors():
            self._images.delete(image_id)


@contextlib.contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn the exceptions of the client libraries into ours, glanceclient's too."""
    import glanceclient.exc

    try:
        with credentials.clear_errors(SERVICE):
            yield
    except glanceclient.exc.Unauthorized as error:
        raise credentials.refused() from error
    except glanceclient.exc.CommunicationError as error:
        raise credentials.unreachable(SERVICE, error) from error
    except glanceclient.exc.BaseException as error:
        raise AltostratusError(f"{SERVICE} answers: {error}") from error
