# SPDX-License-Identifier: Apache-2.0
"""The form of ``nodes.json``: bare-metal nodes, as TripleO's instackenv.json describes them.

Names and units of the fields are TripleO's. ``DRIVERS`` says which of them a ``pm_type`` has, and
what they are for Ironic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from altostratus.yamlfile.schema import Schema

_TEXT: Schema = {"type": "string", "minLength": 1}
MAC = r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"


@dataclass(frozen=True)
class Driver:
    """How Ironic talks to the management controllers of one ``pm_type``."""

    name: str
    """Ironic's driver."""
    info: Mapping[str, str]
    """Keys of ``driver_info`` by the field of ``nodes.json`` that has their value."""
    required: tuple[str, ...]
    """Fields of ``nodes.json`` that a node of this type must have."""
    interfaces: Mapping[str, str] = field(default_factory=dict)
    """Hardware interfaces that differ from Ironic's defaults."""
    boots_ramdisk: bool = True
    """Whether Ironic boots a deploy ramdisk on the node."""


_IPMI = Driver(
    "ipmi",
    {
        "pm_addr": "ipmi_address",
        "pm_port": "ipmi_port",
        "pm_user": "ipmi_username",
        "pm_password": "ipmi_password",
    },
    ("pm_addr", "pm_user", "pm_password"),
)

DRIVERS: Mapping[str, Driver] = {
    "redfish": Driver(
        "redfish",
        {
            "pm_addr": "redfish_address",
            "pm_user": "redfish_username",
            "pm_password": "redfish_password",
            "pm_system_id": "redfish_system_id",
            "pm_verify_ca": "redfish_verify_ca",
        },
        ("pm_addr", "pm_user", "pm_password"),
        {"boot_interface": "redfish-virtual-media", "deploy_interface": "direct"},
    ),
    "ipmi": _IPMI,
    "pxe_ipmitool": _IPMI,
    "fake-hardware": Driver(
        "fake-hardware",
        {},
        (),
        {
            **{f"{name}_interface": "fake" for name in ("boot", "deploy", "power", "management")},
            "network_interface": "noop",
        },
        boots_ramdisk=False,
    ),
}
"""Every ``pm_type``; ``pxe_ipmitool`` is TripleO's older name for ``ipmi``."""

SECRET_FIELDS = frozenset({"pm_password"})

_TEXT_HINTS = """
    model vendor serial wwn wwn_with_extension wwn_vendor_extension name by_path hctl
"""
ROOT_DEVICE: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": False,
    "properties": {
        **dict.fromkeys(_TEXT_HINTS.split(), _TEXT),
        "size": {"type": ["integer", "string"], "minimum": 1, "minLength": 1},
        "rotational": {"type": "boolean"},
    },
}
"""Hints that select the disk to deploy to. Ironic checks them only when it deploys, so we check.

https://docs.openstack.org/ironic/latest/install/advanced.html, and VALID_ROOT_DEVICE_HINTS of
ironic-lib.
"""

PORT: Schema = {
    "type": "object",
    "required": ["address"],
    "additionalProperties": False,
    "properties": {
        "address": {"type": "string", "pattern": MAC, "title": "an Ethernet address"},
        "physical_network": _TEXT,
    },
}
"""One interface of a node."""

NODE: Schema = {
    "type": "object",
    "required": ["pm_type", "mac"],
    "additionalProperties": False,
    "properties": {
        "name": {
            "type": "string",
            "minLength": 1,
            "pattern": r"^[A-Za-z0-9._~-]{1,255}$",
            "title": "a name of letters, digits and . _ ~ -",
            "description": "Name in Ironic; absent: none, its `mac` identifies it",
        },
        "pm_type": {
            "type": "string",
            "enum": list(DRIVERS),
            "description": "How Ironic manages it",
        },
        "pm_addr": {
            **_TEXT,
            "description": "Address of its controller (BMC); a URL for redfish",
        },
        "pm_port": {
            "type": ["integer", "string"],
            "description": "UDP port of its BMC, for ipmi",
        },
        "pm_user": {**_TEXT, "description": "User name at its BMC"},
        "pm_password": {**_TEXT, "description": "Password of this user"},
        "pm_system_id": {
            **_TEXT,
            "description": "Path of the machine at its BMC, for a redfish BMC with several",
        },
        "pm_verify_ca": {
            "type": ["boolean", "string"],
            "description": "Whether to verify the BMC's certificate, or with which CA file",
        },
        "mac": {
            "type": "array",
            "minItems": 1,
            "items": {"type": "string", "pattern": MAC, "title": "an Ethernet address"},
            "description": "Ethernet addresses of the interfaces that Ironic may use",
        },
        "ports": {
            "type": "array",
            "minItems": 1,
            "items": PORT,
            "description": "Instead of `mac`: `{address, physical_network}`, as TripleO has it",
        },
        "cpu": {"type": ["integer", "string"], "description": "Number of CPUs"},
        "memory": {"type": ["integer", "string"], "description": "Memory in MiB"},
        "disk": {"type": ["integer", "string"], "description": "Disk in GiB"},
        "arch": {**_TEXT, "default": "x86_64", "description": "CPU architecture"},
        "capabilities": {
            "type": "string",
            "description": "`KEY:VALUE`, separated by commas, or a mapping, "
            "such as `boot_mode:bios`",
        },
        "root_device": {
            **ROOT_DEVICE,
            "description": "Which disk to deploy to: Ironic's root device hints, such as `serial`",
        },
        "kernel_id": {
            **_TEXT,
            "description": "Deploy kernel of this node: id of a Glance image, or a URL",
        },
        "ramdisk_id": {
            **_TEXT,
            "description": "Deploy ramdisk that belongs to this kernel",
        },
        "physical_network": {
            **_TEXT,
            "default": "ctlplane",
            "description": "Physical network that its interfaces are on",
        },
        "resource_class": {
            **_TEXT,
            "default": "baremetal",
            "description": "What a flavor requests: `resources:CUSTOM_BAREMETAL=1`",
        },
    },
}
"""One node of ``nodes.json``."""

NODES: Schema = {
    "type": "object",
    "required": ["nodes"],
    "properties": {"nodes": {"type": "array", "items": NODE}},
}
"""The form of ``nodes.json``. Other keys beside ``nodes`` are TripleO's and are ignored."""

PM_FIELDS = frozenset(name for driver in DRIVERS.values() for name in driver.info)
"""The fields that are about the management controller of a node, whatever its ``pm_type``."""
