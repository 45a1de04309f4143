# SPDX-License-Identifier: Apache-2.0
"""An instance's file system as a docker archive."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from docker import errors

from novadrivers.docker.images import REGISTRY, SNAPSHOTS, snapshot_file, tag


@contextlib.contextmanager
def exported(api: Any, container: str, name: str, directory: Path) -> Iterator[IO[bytes]]:
    """Give the file of a docker archive of ``container``, which stands still while it is made.

    The archive lies in ``directory`` and the image has the tag ``name`` for the time of the block;
    ImageCache removes both where the process was killed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = snapshot_file(directory, name)
    try:
        path.touch()
        # One call, which the daemon finishes when nobody waits for it any more: an image without a
        # name would never be found.
        image_id = api.commit(container, f"{REGISTRY}/{SNAPSHOTS}/{name}", "latest")["Id"]
        with path.open("wb") as file:
            # By its id: an archive saved by name brings that name to the daemon that loads it.
            for chunk in api.get_image(image_id):
                file.write(chunk)
        with path.open("rb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(errors.NotFound):
            api.remove_image(tag(name, SNAPSHOTS))
