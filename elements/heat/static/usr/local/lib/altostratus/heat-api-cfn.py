#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""heat-api-cfn that authenticates itself when it checks an instance's signature.

Keystone since the fix of CVE-2025-65073 accepts POST /v3/ec2tokens only from a caller with the role
service or admin; Heat of this release sends no token, so that every poll and every signal of an
instance would end in 403 AccessDenied. Later releases of Heat send one, as this does.
"""

import sys

# First: it patches the standard library for eventlet.
from heat.cmd import api_cfn  # isort: skip

import requests
from heat.api.aws import ec2token
from keystoneauth1 import loading, session
from oslo_config import cfg

GROUP = "keystone_authtoken"


class AuthenticatedRequests:
    """Stands in for the module ``requests`` in ec2token, which uses its ``post`` alone."""

    def __init__(self):
        """Log in at the first use: the configuration is not read yet."""
        self._session = None

    def post(self, url, headers=None, timeout=60, **arguments):
        """Post with this service's token, once more with a new one if Keystone refuses it."""
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
