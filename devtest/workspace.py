# SPDX-License-Identifier: Apache-2.0
"""Where devtest keeps things: the state of this machine's clouds, and a cache that outlives it."""

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APPLICATION = "altostratus"


@dataclass(frozen=True)
class Workspace:
    """The two directories. ``destroy`` removes ``state``; ``cache`` stays."""

    state: Path
    cache: Path

    @property
    def clouds_yaml(self) -> Path:
        """Credentials of both clouds (0600), for OS_CLIENT_CONFIG_FILE."""
        return self.state / "clouds.yaml"

    @property
    def key(self) -> Path:
        """The ssh private key (0600) for instances; the public key is beside it."""
        return self.state / "id_ed25519"

    @property
    def container(self) -> Path:
        """State of the undercloud's system container, see ``devtest.container.spec``."""
        return self.state / "container"

    @property
    def nodes(self) -> Path:
        """State of further nodes' system containers, one directory each (``undercloud.nodes``)."""
        return self.state / "nodes"

    @property
    def lock(self) -> Path:
        """Held by the one command that changes something."""
        return self.state / "lock"

    @property
    def reports(self) -> Path:
        """Reports of runs, JSON, one file each."""
        return self.state / "reports"

    @property
    def schema(self) -> Path:
        """Database schema dumps, shared by all clouds of this machine."""
        return self.cache / "schema"

    def stacks(self, cloud: str) -> Path:
        """What generate-stacks made of the cloud file of ``cloud``."""
        return self.state / "stacks" / cloud

    def images(self, cloud: str) -> Path:
        """What build-images made for ``cloud``: image files and manifest.json."""
        return self.state / "images" / cloud


def find() -> Workspace:
    """Return the directories: $ALTOSTRATUS_STATE and $ALTOSTRATUS_CACHE, else the XDG ones."""
    state = os.environ.get("ALTOSTRATUS_STATE") or platformdirs.user_state_path(APPLICATION)
    cache = os.environ.get("ALTOSTRATUS_CACHE") or platformdirs.user_cache_path(APPLICATION)
    return Workspace(Path(state).absolute(), Path(cache).absolute())
