# SPDX-License-Identifier: Apache-2.0
"""The schema of a service contract, ``elements/<service>/service.yaml``.

``generator.contracts`` checks every contract against it; the table of fields in
``docs/services.md`` is generated from it.
"""

from collections.abc import Mapping
from types import MappingProxyType

from altostratus.yamlfile.schema import KEYWORDS, Schema

SECRET_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "password": "32 hexadecimal digits",
        "fernet": "URL-safe base64 of 32 bytes, a key of cryptography.fernet",
    }
)

GROUPS = ("control", "network", "compute", "infrastructure")
"""The groups of services that a role can list; none is empty."""

SCOPES = ("loopback", "service", "public")
"""Where a service may listen; ``public`` is the service network and the public one."""

_NAME = {"type": "string", "pattern": r"^[a-z][a-z0-9-]*$", "title": "a service name"}
_KEY_PATTERN = r"^[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)+$"
_KEY_TITLE = "a metadata key: namespace.leaf of a-z, 0-9, - and _"
_KEY = {"type": "string", "pattern": _KEY_PATTERN, "title": _KEY_TITLE}
# A base contract writes {service}.leaf, see generator.contracts.inheritance.
_OWN_KEY = {**_KEY, "pattern": r"^([a-z][a-z0-9_-]*|\{service\})(\.[a-z0-9_-]+)+$"}
KEY_FORM = KEYWORDS - {"default", "required", "description"}
"""The keywords of a key's entry that form the schema of its value."""

SERVICE_SCHEMA: Schema = {
    "type": "object",
    "required": ["service", "summary"],
    "additionalProperties": False,
    "properties": {
        "service": {**_NAME, "description": "Name of the service and of its element"},
        "summary": {"type": "string", "minLength": 1, "description": "One line"},
        "group": {
            "enum": list(GROUPS),
            "description": "Group that a role can list to get the service",
        },
        "base": {
            "type": "boolean",
            "default": False,
            "description": "Shared settings only; comes into a role through element-deps",
        },
        "extends": {
            **_NAME,
            "description": "Base contract whose keys `{service}.…` this service has as its own",
        },
        "needs": {
            "type": "array",
            "items": _NAME,
            "description": "Services that must run somewhere in the cloud",
        },
        "max": {
            "type": "integer",
            "minimum": 1,
            "description": "Maximum number of instances in a cloud; absent: no limit",
        },
        "units": {
            "type": "array",
            "items": {"type": "string"},
            "description": "systemd units that the element starts, without `.service`; the build "
            "disables them, os-refresh-config enables and starts them",
        },
        "health": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "port"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string", "minLength": 1, "description": "For messages"},
                    "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                    "path": {"type": "string", "pattern": r"^/\S*$", "default": "/"},
                },
            },
            "description": "HTTP checks of the APIs: `name` (for messages), `port`, `path` (`/`); "
            "a refresh ends when each answers with a status below 500",
        },
        "listens": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["port", "scope"],
                "additionalProperties": False,
                "properties": {
                    "port": {
                        "type": ["integer", "string"],
                        "minimum": 1,
                        "maximum": 65535,
                        "pattern": _KEY_PATTERN,
                        "title": "a port, or the metadata key that has it",
                    },
                    "scope": {"enum": list(SCOPES)},
                },
            },
            "description": "TCP ports besides that of `endpoint`: `port` (number, or the key that "
            "has it) and `scope`: `service`, the instance's address on the service network; "
            "`public`, that and its address on the public network; or `loopback`",
        },
        "endpoint": {
            "type": "object",
            "required": ["type", "name", "port"],
            "additionalProperties": False,
            "properties": {
                "type": {"type": "string", "description": "Type in Keystone's catalogue"},
                "name": {"type": "string", "description": "Name in Keystone's catalogue"},
                "port": {"type": "integer", "minimum": 1, "maximum": 65535},
                "path": {"type": "string", "default": "", "description": "Begins with /, or empty"},
            },
            "description": "The service's entry in Keystone's catalogue; its port is public",
        },
        "contributes": {
            "type": "object",
            "propertyNames": _KEY,
            "additionalProperties": {"type": "array"},
            "description": "Items appended to list keys of other contracts",
        },
        "secrets": {
            "type": "object",
            "propertyNames": _KEY,
            "additionalProperties": {"enum": list(SECRET_KINDS)},
            "description": "Generated secrets by name, and their kinds",
        },
        "reads": {
            "type": "array",
            "items": _KEY,
            "description": "Keys of other contracts that templates and scripts use",
        },
        "keys": {
            "type": "object",
            "propertyNames": _OWN_KEY,
            "additionalProperties": {
                "type": "object",
                "required": ["type", "description"],
                "additionalProperties": False,
                "properties": {
                    **{word: {} for word in sorted(KEY_FORM)},
                    "description": {
                        "type": "string",
                        "minLength": 1,
                        "description": "What the value is for",
                    },
                    "secret": {
                        "type": "boolean",
                        "default": False,
                        "description": "Whether the value is confidential",
                    },
                    "value": {"description": "Where the value comes from, with references"},
                    "default": {"description": "The value unless the user gives another"},
                    "required": {"enum": [True], "description": "The user must give the value"},
                },
            },
            "description": "Metadata keys of this service",
        },
    },
}
"""The schema of ``service.yaml``."""
