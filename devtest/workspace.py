# SPDX-License-Identifier: Apache-2.0
"""Where devtest keeps the state of an undercloud and its clouds, and the cache that all share."""

import os
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

import platformdirs

from altostratus.process import CommandError
from devtest import settings
from devtest.container import hostnet
from devtest.settings import DEFAULT_NAME, Given, Settings
from generator.output.generated import Generated

APPLICATION = "altostratus"


@dataclass(frozen=True)
class Workspace:
    """Two directories (``destroy`` removes ``state``, ``cache`` stays), and the settings."""

    state: Path
    cache: Path
    settings: Settings = field(default_factory=Settings)

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
        """The lock of the one command that changes something."""
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
        """Return the directory of what generate-stacks writes for ``cloud``."""
        return self.state / "stacks" / cloud

    def generated(self, cloud: str) -> Generated:
        """Return what generate-stacks wrote for ``cloud``."""
        return Generated(self.stacks(cloud), cloud)

    def images(self, cloud: str) -> Path:
        """Return the directory of what build-images writes for ``cloud``: images, manifest.json."""
        return self.state / "images" / cloud


def find(given: Given | None = None) -> Workspace:
    """Return the workspace of the undercloud that ``given`` and the environment choose.

    The state is in $ALTOSTRATUS_STATE, else in a directory that follows from the name; the cache
    is in $ALTOSTRATUS_CACHE or the user's cache directory. Nothing is written. Raises InputError
    if a setting is not that of the undercloud, which was started already.
    """
    given = given or settings.given(None, None, None, os.environ)
    name = given.name or DEFAULT_NAME
    own = APPLICATION if name == DEFAULT_NAME else f"{APPLICATION}-{name}"
    state = Path(
        os.environ.get("ALTOSTRATUS_STATE") or platformdirs.user_state_path(own)
    ).absolute()
    cache = os.environ.get("ALTOSTRATUS_CACHE") or platformdirs.user_cache_path(APPLICATION)
    stored = settings.load(state)
    chooses = name != DEFAULT_NAME and stored is None and given.transfer is None
    merged = settings.merge(state, stored, given, _taken() if chooses else ())
    return Workspace(state, Path(cache).absolute(), merged)


def _taken() -> list[IPv4Network]:
    """Return the networks that the host has routes to; none if it cannot tell (see ``doctor``)."""
    try:
        return hostnet.destinations()
    except CommandError:
        return []
