# SPDX-License-Identifier: Apache-2.0
"""The schema of a service contract, ``elements/<service>/service.yaml``.

``generator.contracts`` checks every contract against it; the table of fields in
``docs/services.md`` is generated from it.
"""

from typing import Any

from altostratus.yamlfile.schema import KEYWORDS, TYPES, Schema
from generator.contracts.secretkinds import KINDS

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
KEY_FORM = KEYWORDS - {"anyOf", "default", "required", "description", "writeOnly"}
"""The keywords of a key's entry that form the schema of its value."""

_TYPE_NAME = {"type": "string", "enum": list(TYPES)}
_NUMBER = {"type": "number"}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string", "minLength": 1}

FORM: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "title": "the JSON Schema of a value",
    "examples": [{"type": "string"}],
    "properties": {
        "type": {"anyOf": [_TYPE_NAME, {"type": "array", "items": _TYPE_NAME, "minItems": 1}]},
        "enum": {"type": "array", "minItems": 1},
        "pattern": {**_TEXT, "title": "a regular expression"},
        "minimum": _NUMBER,
        "exclusiveMinimum": _NUMBER,
        "maximum": _NUMBER,
        "minLength": _COUNT,
        "minItems": _COUNT,
        "maxItems": _COUNT,
        "minProperties": _COUNT,
        "title": _TEXT,
        "examples": {"type": "array", "minItems": 1},
        "description": _TEXT,
        "default": {},
        "required": {"type": "array", "items": {"type": "string"}},
    },
}
"""The schema of the schemas in a contract; what is within a schema has the same form."""
FORM["properties"] |= {
    "items": FORM,
    "propertyNames": FORM,
    "properties": {"type": "object", "additionalProperties": FORM},
    "additionalProperties": {"anyOf": [{"type": "boolean"}, FORM]},
}

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
            "description": "Maximum number of instances in a cloud; absent: no limit, or one for a "
            "service that others reach at one address (`{address:…}`, `{public:…}`, `endpoint`)",
        },
        "clustered": {
            "type": "boolean",
            "default": False,
            "description": "Whether several instances of a service that others reach at one "
            "address, that of the first, share the work all the same",
        },
        "units": {
            "type": "array",
            "items": {
                "type": "string",
                # A suffix would be there twice: the build and the scripts add their own.
                "pattern": r"^(?!.*\.service$)[A-Za-z0-9@:_.\\-]+$",
                "title": "the name of a systemd unit without .service",
                "examples": ["mariadb"],
            },
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
                "path": {
                    "type": "string",
                    "pattern": r"^(/\S*)?$",
                    "title": "a path that begins with /, or nothing",
                    "default": "",
                    "description": "Begins with /, or empty",
                },
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
            "additionalProperties": {"enum": list(KINDS), "writeOnly": False},
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
                    **{word: FORM["properties"][word] for word in sorted(KEY_FORM)},
                    "description": {
                        "type": "string",
                        "minLength": 1,
                        "description": "What the value is for",
                    },
                    "secret": {
                        "type": "boolean",
                        "default": False,
                        "description": "Whether the value is confidential: then it has a "
                        "`value`, with `{secret:NAME}` for each secret in it. `false` says that a "
                        "key with a name like that of a secret holds none",
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
