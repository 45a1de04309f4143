# SPDX-License-Identifier: Apache-2.0
"""Keeps http_proxy and https_proxy from what no proxy leads to: the addresses of a local cloud.

These variables are for the Internet. A cloud on this machine, or on a private network, is asked
directly, as if its address were in no_proxy; a cloud with a public address as the variables say.
"""

import ipaddress
import urllib.parse
from typing import Any


def is_own(url: str) -> bool:
    """Whether the host of ``url`` is a private address, this machine, or a name without a dot."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith(".localhost")
    return address.is_private or address.is_loopback or address.is_link_local


def keep_from_own_addresses(session: Any) -> None:
    """Have the keystoneauth ``session`` ask such hosts directly, whatever the environment says."""
    from requests.adapters import BaseAdapter

    class Direct(BaseAdapter):  # type: ignore[misc]
        """Sends by another adapter."""

        def __init__(self, through: Any) -> None:
            super().__init__()
            self._through = through

        def send(self, request: Any, *arguments: Any, **options: Any) -> Any:
            if is_own(request.url):
                options["proxies"] = {}
            return self._through.send(request, *arguments, **options)

        def close(self) -> None:
            self._through.close()

    for scheme, adapter in list(session.session.adapters.items()):
        session.session.mount(scheme, Direct(adapter))
