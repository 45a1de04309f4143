#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""heat-api-cfn that authenticates itself when it checks the signature of an instance.

Since the fix of CVE-2025-65073, Keystone accepts POST /v3/ec2tokens only with a token of the role
service or admin. This release of Heat sends none, so every poll and every signal of an instance
would end with 403 AccessDenied. Later releases send one, as this program does.
"""

import sys
from typing import Any

# First: it patches the standard library for eventlet.
from heat.cmd import api_cfn  # isort: skip

import requests
from heat.api.aws import ec2token
from keystoneauth1 import loading, session
from oslo_config import cfg

GROUP = "keystone_authtoken"


class AuthenticatedRequests:
    """Replaces the module ``requests`` in ec2token, which uses only its ``post``."""

    def __init__(self) -> None:
        """Log in at the first use: the configuration is not read yet."""
        self._session: Any = None

    def post(
        self,
        url: str,
        headers: dict[str, str] | None = None,
        timeout: float = 60,
        **arguments: Any,
    ) -> requests.Response:
        """Post with this service's token; try a new token if Keystone rejects it.

        ``timeout`` is in seconds, other ``arguments`` are those of ``requests.post``.
        """
        if self._session is None:
            loading.register_auth_conf_options(cfg.CONF, GROUP)
            auth = loading.load_auth_from_conf_options(cfg.CONF, GROUP)
            self._session = session.Session(auth=auth)
        for _attempt in range(2):
            headers = {**(headers or {}), "X-Auth-Token": self._session.get_token()}
            response = requests.post(url, headers=headers, timeout=timeout, **arguments)
            if response.status_code != 401:
                break
            self._session.invalidate()
        return response


ec2token.requests = AuthenticatedRequests()

if __name__ == "__main__":
    sys.exit(api_cfn.main())
