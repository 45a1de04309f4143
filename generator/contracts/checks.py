# SPDX-License-Identifier: Apache-2.0
"""Checks of service contracts, beyond their schema."""

from altostratus.yamlfile.problems import Check

SERVICE_NAME = Check("E3001", "service-name", "A contract has another name than its element")
VALUE_SOURCE = Check(
    "E3002", "value-source", "A key has none or several of `value`, `default` and `required: true`"
)
REFERENCE = Check("E3003", "reference", "A reference is malformed or of an unknown kind")
UNKNOWN_SERVICE = Check(
    "E3004", "unknown-service", "A contract names a service that has no contract"
)
UNKNOWN_KEY = Check("E3005", "unknown-key", "A contract names a key that no contract has")
UNKNOWN_SECRET = Check("E3006", "unknown-secret", "A reference is to a secret that no contract has")
SECOND_OWNER = Check("E3007", "second-owner", "Two contracts have the same key or secret")
KEY_PREFIX = Check("E3008", "key-prefix", "A key is the beginning of another one")
NOT_A_LIST = Check("E3009", "not-a-list", "A contract contributes to a key that is not a list")
SECRET_SHOWN = Check(
    "E3010", "secret-shown", "A key that is not `secret` has a secret in its value"
)
BAD_PATTERN = Check("E3011", "bad-pattern", "A `pattern` is no regular expression")
GROUP_NAME = Check("E3012", "group-name", "A service is called like a group of services")
