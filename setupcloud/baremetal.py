# SPDX-License-Identifier: Apache-2.0
"""Bare-metal nodes in Ironic: how those of ``nodes.json`` differ, and how to change that.

``NODES`` is the form of ``nodes.json``. It is TripleO's: names and units of its fields are kept.
Attribute names of Ironic are openstacksdk's,
https://docs.openstack.org/openstacksdk/latest/user/resources/baremetal/v1/node.html.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from altostratus.errors import AltostratusError
from altostratus.yamlfile.schema import Schema

_TEXT: Schema = {"type": "string", "minLength": 1}
_MAC = r"^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$"


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

NODE: Schema = {
    "type": "object",
    "required": ["pm_type", "mac"],
    "additionalProperties": False,
    "properties": {
        "name": {**_TEXT, "description": "Name in Ironic; absent: none, its `mac` identifies it"},
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
            "items": {"type": "string", "pattern": _MAC, "title": "an Ethernet address"},
            "description": "Ethernet addresses of the interfaces that Ironic may use",
        },
        "cpu": {"type": ["integer", "string"], "description": "Number of CPUs"},
        "memory": {"type": ["integer", "string"], "description": "Memory in MiB"},
        "disk": {"type": ["integer", "string"], "description": "Disk in GiB"},
        "arch": {**_TEXT, "default": "x86_64", "description": "CPU architecture"},
        "capabilities": {
            "type": "string",
            "description": "`KEY:VALUE`, separated by commas, such as `boot_mode:bios`",
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

# Ironic's properties by the field of nodes.json.
_PROPERTIES = {
    "cpu": "cpus",
    "memory": "memory_mb",
    "disk": "local_gb",
    "arch": "cpu_arch",
    "capabilities": "capabilities",
    "root_device": "root_device",
}
# Ironic does not show passwords: a salted digest in "extra" tells whether one has changed.
_DIGEST = "register-nodes"


@dataclass(frozen=True)
class Boot:
    """The deploy ramdisk of nodes without their own: ids of Glance images, None if not needed."""

    kernel: str | None = None
    ramdisk: str | None = None


@dataclass(frozen=True)
class Change:
    """What has to be done for one node before it can become available."""

    label: str
    node_id: str | None
    attributes: Mapping[str, Any]
    """Attributes to create the node with, by SDK name; empty if it exists."""
    patch: tuple[Mapping[str, Any], ...]
    """JSON patch (RFC 6902) for a node that exists."""
    ports: tuple[Mapping[str, Any], ...]
    """Ports to create."""

    @property
    def kind(self) -> str:
        """One word for the user: created, updated or unchanged."""
        if self.node_id is None:
            return "created"
        return "updated" if self.patch or self.ports else "unchanged"


def label(wanted: Mapping[str, Any]) -> str:
    """Return the name of a node of ``nodes.json`` for messages."""
    return str(wanted.get("name") or wanted["mac"][0])


def plan(ironic: Any, nodes: Iterable[Mapping[str, Any]], boot: Boot) -> list[Change]:
    """Return the changes that make Ironic's nodes like ``nodes`` (items of NODES).

    ``ironic`` is the SDK's proxy ``baremetal``. A node is found by its Ethernet addresses, else by
    its name. Raises AltostratusError, for all nodes at once, where these contradict each other.
    """
    there = {one.id: one for one in ironic.nodes(details=True)}
    owners = {port.address.lower(): port.node_id for port in ironic.ports(details=True)}
    named = {one.name: one.id for one in there.values() if one.name}
    changes: list[Change] = []
    obstacles: list[str] = []
    for wanted in nodes:
        ids = {owners[mac.lower()] for mac in wanted["mac"] if mac.lower() in owners}
        ids |= {named[wanted["name"]]} if wanted.get("name") in named else set()
        if len(ids) > 1:
            shown = ", ".join(sorted(there[one].name or one for one in ids))
            obstacles.append(f"{label(wanted)}: its name and addresses are those of {shown}")
            continue
        known = there[ids.pop()] if ids else None
        ports = [_port(mac, wanted) for mac in wanted["mac"] if mac.lower() not in owners]
        changes.append(_change(wanted, known, tuple(ports), boot))
    if obstacles:
        raise AltostratusError("\n".join(obstacles), "correct the file, or delete those nodes")
    return changes


def apply(ironic: Any, change: Change) -> str:
    """Carry out ``change``; return the id of its node."""
    node_id = change.node_id
    if node_id is None:
        node_id = ironic.create_node(**change.attributes).id
    elif change.patch:
        ironic.patch_node(node_id, [dict(item) for item in change.patch])
    for port in change.ports:
        ironic.create_port(node_id=node_id, **port)
    return str(node_id)


def _port(mac: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "address": mac.lower(),
        "physical_network": wanted.get("physical_network", "ctlplane"),
    }


def _change(
    wanted: Mapping[str, Any], known: Any | None, ports: tuple[Mapping[str, Any], ...], boot: Boot
) -> Change:
    driver = DRIVERS[wanted["pm_type"]]
    info, hidden = _driver_info(wanted, driver, boot)
    single = {
        "name": wanted.get("name"),
        "driver": driver.name,
        "resource_class": wanted.get("resource_class", "baremetal"),
        **driver.interfaces,
    }
    single = {key: value for key, value in single.items() if value is not None}
    properties = _properties(wanted)
    if known is None:
        attributes = {
            **single,
            "driver_info": {**info, **hidden},
            "properties": properties,
            "extra": {_DIGEST: _digest(hidden)} if hidden else {},
        }
        return Change(label(wanted), None, attributes, (), ports)
    patch = [_set(f"/{key}", value) for key, value in single.items() if known[key] != value]
    patch += _differing("driver_info", info, known.driver_info)
    patch += _differing("properties", properties, known.properties)
    if hidden and not _same_secrets(hidden, (known.extra or {}).get(_DIGEST, "")):
        patch += [_set(f"/driver_info/{key}", value) for key, value in hidden.items()]
        patch.append(_set(f"/extra/{_DIGEST}", _digest(hidden)))
    return Change(label(wanted), known.id, {}, tuple(patch), ports)


def _driver_info(
    wanted: Mapping[str, Any], driver: Driver, boot: Boot
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ``driver_info`` that Ironic shows again, and the part that it masks."""
    info: dict[str, Any] = {}
    hidden: dict[str, Any] = {}
    for word, key in driver.info.items():
        if word in wanted:
            (hidden if word in SECRET_FIELDS else info)[key] = wanted[word]
    if driver.boots_ramdisk:
        info["deploy_kernel"] = wanted.get("kernel_id", boot.kernel)
        info["deploy_ramdisk"] = wanted.get("ramdisk_id", boot.ramdisk)
    return info, hidden


def _properties(wanted: Mapping[str, Any]) -> dict[str, Any]:
    values = {"arch": "x86_64", **wanted}
    plain: dict[str, Callable[[Any], Any]] = {
        **dict.fromkeys(("cpu", "memory", "disk"), int),
        "root_device": dict,
    }
    return {
        key: plain.get(word, str)(values[word])
        for word, key in _PROPERTIES.items()
        if word in values
    }


def _set(path: str, value: Any) -> dict[str, Any]:
    return {"op": "add", "path": path, "value": value}


def _differing(
    part: str, wanted: Mapping[str, Any], there: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    known = there or {}
    return [
        _set(f"/{part}/{key}", value)
        for key, value in wanted.items()
        # Ironic keeps the type that it was given: a number may be there as text.
        if known.get(key) != value and str(known.get(key)) != str(value)
    ]


def _digest(hidden: Mapping[str, Any], salt: str | None = None) -> str:
    salt = salt or secrets.token_hex(8)
    text = "\0".join(f"{key}={value}" for key, value in sorted(hidden.items()))
    return f"{salt}:{hashlib.pbkdf2_hmac('sha256', text.encode(), salt.encode(), 100_000).hex()}"


def _same_secrets(hidden: Mapping[str, Any], digest: str) -> bool:
    salt = digest.partition(":")[0]
    return bool(salt) and secrets.compare_digest(_digest(hidden, salt), digest)
