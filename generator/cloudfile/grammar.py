# SPDX-License-Identifier: Apache-2.0
"""The grammar of cloud files as one JSON Schema, from which everything else derives.

The parser checks files against it and takes the defaults from it; ``generator.schemas`` makes the
schema for editors of it, and ``tools.reference`` the tables of ``docs/cloud-file.md``.
"""

from typing import Any

from altostratus.hypervisors import HYPERVISORS
from altostratus.yamlfile.addresses import ADDRESS, CIDR
from altostratus.yamlfile.schema import Schema
from generator.contracts.grammar import GROUPS

RELEASES = {"zed": "bookworm"}
"""The Debian release that has the packages of an OpenStack release."""

NAME: Schema = {
    "type": "string",
    # RFC 1123: of roles come host names, which end in no hyphen.
    "pattern": "^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$",
    "title": "a name of at most 40 lower-case letters, digits and hyphens, a letter first and no "
    "hyphen last",
    "examples": ["ctlplane"],
}
_NAMES: Schema = {"type": "array", "items": NAME}
_TYPE: Schema = {"type": "string", "enum": list(HYPERVISORS)}


def _mapping(properties: dict[str, Schema], **words: Any) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": properties, **words}


NETWORK = _mapping(
    {
        "type": {
            "type": "string",
            "enum": ["flat", "vlan"],
            "description": "Kind of provider network; `vlan` if a `vlan` is given, else `flat`",
        },
        "vlan": {
            "type": "integer",
            "minimum": 1,
            "maximum": 4094,
            "description": "VLAN id on the physical network",
        },
        "physical_network": {
            **NAME,
            "default": "ctlplane",
            "description": "Physical network, as named in Neutron's bridge mappings",
        },
        "cidr": {**CIDR, "description": "Addresses of the network"},
        "gateway": {
            **ADDRESS,
            "description": "Default router; absent: no default route",
        },
        "pool": {
            "type": "array",
            "items": ADDRESS,
            "minItems": 2,
            "maxItems": 2,
            "examples": [["192.168.24.100", "192.168.24.250"]],
            "description": "First and last address that Neutron gives to ports; by default all",
        },
        "dns": {
            "type": "array",
            "items": ADDRESS,
            "default": [],
            "examples": [["9.9.9.9"]],
            "description": "Name servers that DHCP announces",
        },
        "routes": {
            "type": "array",
            "items": _mapping(
                {"destination": CIDR, "nexthop": ADDRESS}, required=["destination", "nexthop"]
            ),
            "default": [],
            "examples": [[{"destination": "10.0.0.0/8", "nexthop": "192.168.24.1"}]],
            "description": "Routes that DHCP announces: `{destination: CIDR, nexthop: ADDRESS}`",
        },
        "dhcp": {
            "type": "boolean",
            "default": True,
            "description": "Whether Neutron runs DHCP; instances configure their interfaces by it",
        },
        "mtu": {
            "type": "integer",
            "minimum": 576,
            "maximum": 9216,
            "description": "Largest packet in bytes; by default Neutron decides",
        },
    },
    required=["cidr"],
    examples=[{"cidr": "192.168.24.0/24"}],
)
"""One network of ``networks``."""

FLAVOR = _mapping(
    {
        "ram": {"type": "integer", "minimum": 64, "default": 1024, "description": "Memory in MiB"},
        "vcpus": {"type": "integer", "minimum": 1, "default": 1, "description": "Virtual CPUs"},
        "disk": {"type": "integer", "minimum": 1, "default": 4, "description": "Root disk in GiB"},
    }
)
"""``flavor`` of a role."""

CONFIG: Schema = {
    "type": "object",
    "propertyNames": {"type": "string", "pattern": "^[a-z]", "title": "a namespace"},
    "additionalProperties": {"type": "object"},
    "default": {},
    "examples": [{"keystone": {"debug": True}}],
}

ROLE = _mapping(
    {
        "hypervisor": {
            **_TYPE,
            "description": "Hypervisor type of the instances; by default the first of "
            "`hypervisors`",
        },
        "count": {
            "type": "integer",
            "minimum": 1,
            "maximum": 65536,
            "default": 1,
            "description": "Number of instances",
        },
        "services": {
            "type": "array",
            "items": {
                "type": "string",
                "pattern": "^-?[a-z][a-z0-9-]*$",
                "title": "a service, a group, or - and a service",
                "examples": ["mariadb"],
            },
            "minItems": 1,
            "examples": [["mariadb", "keystone"]],
            "description": "Services of each instance: names, groups "
            f"({', '.join(f'`{one}`' for one in GROUPS)}), and `-name` to take one out again",
        },
        "networks": {
            **_NAMES,
            "minItems": 1,
            "examples": [["ctlplane"]],
            "description": "Networks with a port on each instance, in the order of its "
            "interfaces; by default all",
        },
        "flavor": {
            **FLAVOR,
            "default": {},
            "examples": [{"ram": 2048, "vcpus": 2}],
            "description": "Size of an instance",
        },
        "config": {
            **CONFIG,
            "description": "Values for metadata keys of this role, instead of the contracts' "
            "defaults: `{namespace: {key: value}}`",
        },
        "addresses": {
            "type": "object",
            "additionalProperties": {
                "type": "array",
                "items": ADDRESS,
                "examples": [["192.168.24.5"]],
            },
            "default": {},
            "examples": [{"ctlplane": ["192.168.24.5"]}],
            "description": "Fixed addresses, one for each instance: `{network: [address]}`. For a "
            "role whose addresses are all fixed, metadata files are written too, for nodes without "
            "Heat",
        },
    },
    required=["services"],
    examples=[{"services": ["mariadb"]}],
)
"""One role of ``roles``."""

CLOUD: Schema = {
    **_mapping(
        {
            "name": {
                **NAME,
                "examples": ["overcloud"],
                "description": "Name of the cloud and of its stack",
            },
            "release": {
                "type": "string",
                "enum": list(RELEASES),
                "default": "zed",
                "description": "OpenStack release",
            },
            "join": {
                "type": "string",
                "pattern": r"\.ya?ml$",
                "title": "a cloud file",
                "examples": ["undercloud.yaml"],
                "description": "Cloud file, relative to this one, of a running cloud whose "
                "services (and their secrets) this one uses where it has none of its own",
            },
            "hypervisors": {
                "type": "array",
                "items": _TYPE,
                "minItems": 1,
                "examples": [["lxc"]],
                "description": "Hypervisor types that roles may use",
            },
            "networks": {
                "type": "object",
                "propertyNames": NAME,
                "additionalProperties": NETWORK,
                "minProperties": 1,
                "examples": [{"ctlplane": {"cidr": "192.168.24.0/24"}}],
                "description": "Provider networks of the undercloud by name",
            },
            "service_network": {
                **NAME,
                "default": "ctlplane",
                "description": "Network that services reach each other on",
            },
            "public_network": {
                **NAME,
                "default": "ctlplane",
                "description": "Network of the endpoints for users",
            },
            "config": {
                **CONFIG,
                "description": "Values for metadata keys of all roles, instead of the contracts' "
                "defaults; a role's own `config` wins",
            },
            "roles": {
                "type": "object",
                "propertyNames": {**NAME, "examples": ["controller"]},
                "additionalProperties": ROLE,
                "minProperties": 1,
                "examples": [{"controller": {"services": ["mariadb"]}}],
                "description": "Kinds of instances by name. Instance i of role R is called R-i, "
                "or just R if it is the only one and its addresses are fixed",
            },
        },
        required=["name", "hypervisors", "networks", "roles"],
    ),
    "title": "an Altostratus cloud file",
    "description": "begin with one of examples/, docs/cloud-file.md says what is in it",
}
"""A whole cloud file."""
