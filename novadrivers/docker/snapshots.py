# SPDX-License-Identifier: Apache-2.0
"""An instance's file system as a docker archive."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from docker import APIClient, errors

from novadrivers.docker.images import REGISTRY, SNAPSHOTS, snapshot_file, tag


@contextlib.contextmanager
def exported(api: APIClient, container: str, name: str, directory: Path) -> Iterator[IO[bytes]]:
    """Yield a file with a docker archive of ``container``, which is paused while it is made.

    During the body the archive is in ``directory`` and the daemon has an image with the tag
    ``name``. ImageCache removes both if this process is killed.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = snapshot_file(directory, name)
    try:
        path.touch()
        # With its name in the same call: if this process dies meanwhile, the daemon still completes
        # the call, and an image without a name would never be found.
        image_id = api.commit(container, f"{REGISTRY}/{SNAPSHOTS}/{name}", "latest")["Id"]
        with path.open("wb") as file:
            # By id: an archive that is saved by name takes that name to the daemon that loads it.
            for chunk in api.get_image(image_id):
                file.write(chunk)
        with path.open("rb") as file:
            yield file
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(errors.NotFound):
            api.remove_image(tag(name, SNAPSHOTS))
