# SPDX-License-Identifier: Apache-2.0
"""Docker archives (``docker save``): what is in one, before the daemon gets it."""

import hashlib
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from novadrivers.docker.errors import UnusableImage


@dataclass(frozen=True)
class Archive:
    """The one image of an archive."""

    image_id: str
    """Docker's id of the image: ``sha256:`` and the digest of its configuration."""
    tags: tuple[str, ...]
    """Names that the archive gives the image on the daemon that loads it."""
    architecture: str
    """Such as ``amd64``; empty where the archive does not say."""
    operating_system: str


def read(path: Path) -> Archive:
    """Return what the archive at ``path`` holds.

    Raises UnusableImage where it is no docker archive, or holds any number of images but one.
    """
    try:
        with tarfile.open(path) as tar:
            images = json.loads(_member(tar, "manifest.json"))
            if len(images) != 1:
                raise UnusableImage(f"the archive holds {len(images)} images, not one")
            configuration = _member(tar, images[0]["Config"])
    except tarfile.TarError as error:
        raise UnusableImage("it is no docker archive (docker save), not even a tar file") from error
    except (EOFError, KeyError, TypeError, ValueError) as error:
        raise UnusableImage(f"it is no docker archive (docker save): {error}") from error
    described: dict[str, Any] = json.loads(configuration)
    return Archive(
        image_id=f"sha256:{hashlib.sha256(configuration).hexdigest()}",
        tags=tuple(images[0].get("RepoTags") or ()),
        architecture=described.get("architecture", ""),
        operating_system=described.get("os", "linux"),
    )


def _member(tar: tarfile.TarFile, name: str) -> bytes:
    """Return the content of the file ``name``; KeyError where it is none."""
    file = tar.extractfile(name)
    if file is None:
        raise KeyError(f"{name} is not a file")
    return file.read()
