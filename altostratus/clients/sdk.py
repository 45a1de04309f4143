# SPDX-License-Identifier: Apache-2.0
"""Neutron, Ironic and Placement, through openstacksdk.

A Connection has a proxy for each of them: ``network``, ``baremetal``, ``placement``.
https://docs.openstack.org/openstacksdk/latest/user/
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from altostratus.clients import errors, session
from altostratus.clients.session import Region

if TYPE_CHECKING:
    from openstack.connection import Connection


def connect(region: Region) -> Connection:
    """Return a connection to ``region``. Its own calls need ``errors.translated``.

    Raises InputError if openstacksdk cannot use the configuration of ``region``.
    """
    import openstack.connection

    from altostratus.clients import configuration

    with configuration.reading(None, None):
        return openstack.connection.Connection(config=region)


@contextmanager
def connected(command: str, service: str) -> Iterator[Connection]:
    """Yield a connection of ``command`` to the cloud that the environment selects.

    ``service`` is what the body asks: errors are translated as ``errors.translated`` says.
    """
    region = session.current(command)
    with errors.translated(service), connect(region) as connection:
        yield connection
