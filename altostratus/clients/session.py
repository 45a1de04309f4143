# SPDX-License-Identifier: Apache-2.0
"""Which cloud is meant, and the keystoneauth session with it.

openstacksdk's configuration finds cloud and credentials as every OpenStack client does: OS_CLOUD
with clouds.yaml, or OS_* variables. Its CloudRegion is what all clients are made of.
https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html
"""

import logging
import os
from pathlib import Path
from typing import Any, Protocol

from altostratus.clients import errors

CREDENTIALS = (
    "The cloud and the credentials are those of OS_CLOUD and clouds.yaml, or of OS_* variables."
)
"""For the help text of commands."""


class Region(Protocol):
    """A region of a cloud and the credentials for it: openstack.config's CloudRegion."""

    region_name: str

    def get_session(self) -> Any:
        """Return the keystoneauth session, always the same one."""

    def get_interface(self, service_type: str) -> str | None:
        """Return which endpoint of a service to use, such as ``public``; None: the default."""

    def get_endpoint(self, service_type: str) -> str | None:
        """Return the URL of a service that the configuration sets instead of the catalog's."""


def current(command: str | None = None) -> Region:
    """Return the region that the environment selects; ``command`` is for the User-Agent.

    Raises InputError for missing or wrong configuration.
    """
    from altostratus.clients import configuration

    configuration.check_environment()
    # A cloud that is named and unknown is an error even where there is no clouds.yaml.
    return _region(os.environ.get("OS_CLOUD") or None, app_name=command)


def of_file(path: Path, cloud: str) -> Region:
    """Return the region of ``cloud`` in the clouds.yaml ``path``, whatever the environment says.

    Raises InputError if the file does not have it.
    """
    return _region(cloud, config_files=[str(path)], load_envvars=False)


def _region(cloud: str | None, **options: Any) -> Region:
    import openstack.config

    from altostratus.clients import configuration, proxies

    # It says twice what the exception says.
    logging.getLogger("keystoneauth.identity").setLevel(logging.ERROR)
    with configuration.reading(cloud, options.get("config_files")):
        region: Region = openstack.config.OpenStackConfig(**options).get_one(cloud)
        configuration.check(region)
        session = region.get_session()
    errors.watch(session)
    proxies.keep_from_own_addresses(session)
    return region
