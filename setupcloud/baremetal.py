# SPDX-License-Identifier: Apache-2.0
"""Bare-metal nodes in Ironic: how those of ``nodes.json`` differ, and how to change that.

Attribute names of Ironic are openstacksdk's,
https://docs.openstack.org/openstacksdk/latest/user/resources/baremetal/v1/node.html.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from altostratus.clients.errors import translated
from altostratus.errors import AltostratusError
from altostratus.undo import undone
from setupcloud import command
from setupcloud.command import Difference
from setupcloud.nodeschema import DRIVERS, SECRET_FIELDS, Driver

SERVICE = "Ironic"

# Ironic's properties by the field of nodes.json.
_PROPERTIES = {
    "cpu": "cpus",
    "memory": "memory_mb",
    "disk": "local_gb",
    "arch": "cpu_arch",
    "capabilities": "capabilities",
    "root_device": "root_device",
}
FREE = frozenset({"enroll", "manageable", "available", "clean failed", "inspect failed", "error"})
"""Provision states of a node that nobody has and that Ironic is not working on."""
# States that stay, in which a machine has a user, and what Ironic has to know to reach it.
_STABLE = frozenset({*FREE, "active", "rescue", "deploy failed", "rescue failed"})
_REACHING = ("/driver_info/", "/extra/")
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
    known_id: str | None
    attributes: Mapping[str, Any]
    """Attributes to create the node with, by SDK name; empty if it exists."""
    patch: tuple[Mapping[str, Any], ...]
    """JSON patch (RFC 6902) for a node that exists."""
    ports: tuple[Mapping[str, Any], ...]
    """Ports to create."""
    differences: tuple[Difference, ...] = ()
    """What ``patch`` and ``ports`` change of a node that exists."""
    held: tuple[Difference, ...] = ()
    """What differs as well, but is not changed while the node is in use."""

    @property
    def kind(self) -> str:
        """One word for the user: created, updated or unchanged."""
        if self.known_id is None:
            return "created"
        return "updated" if self.patch or self.ports else command.UNCHANGED


def label(wanted: Mapping[str, Any]) -> str:
    """Return the name of a node of ``nodes.json`` for messages."""
    return str(wanted.get("name") or wanted["mac"][0])


def in_use(node: Any) -> str:
    """Return what ``node`` of Ironic is used for, for messages; empty if it is free.

    https://docs.openstack.org/ironic/latest/user/states.html
    """
    if node.instance_id:
        return f"has the server {node.instance_id}"
    if node.allocation_id:
        return f"is allocated ({node.allocation_id})"
    # In all other states somebody has it, or Ironic is working on it.
    return "" if node.provision_state in FREE else f"is {node.provision_state}"


def plan(ironic: Any, nodes: Iterable[Mapping[str, Any]], boot: Boot) -> list[Change]:
    """Return the changes that make Ironic's nodes like ``nodes`` (items of ``NODES``).

    ``ironic`` is the SDK's proxy ``baremetal``. A node is found by its Ethernet addresses, else by
    its name. Raises AltostratusError, for all nodes at once, where these contradict each other, or
    a node that is in use has only the name.
    """
    there = {one.id: one for one in ironic.nodes(details=True)}
    owners = {port.address.lower(): port.node_id for port in ironic.ports(details=True)}
    named = {one.name: one.id for one in there.values() if one.name}
    changes: list[Change] = []
    obstacles: list[str] = []
    for wanted in nodes:
        ids = {owners[mac.lower()] for mac in wanted["mac"] if mac.lower() in owners}
        by_name = {named[wanted["name"]]} if wanted.get("name") in named else set()
        if len(ids | by_name) > 1:
            shown = ", ".join(sorted(there[one].name or one for one in ids | by_name))
            obstacles.append(f"{label(wanted)}: its name and addresses are those of {shown}")
            continue
        known = next((there[one] for one in ids | by_name), None)
        if known and not ids and known.id in owners.values() and (use := in_use(known)):
            macs = sorted(mac for mac, owner in owners.items() if owner == known.id)
            what = f"Ironic's node of this name ({known.id}) {use} and has other addresses"
            obstacles.append(f"{label(wanted)}: {what}: {', '.join(macs)}")
            continue
        ports = [_port(mac, wanted) for mac in wanted["mac"] if mac.lower() not in owners]
        changes.append(_change(wanted, known, tuple(ports), boot))
    if obstacles:
        raise AltostratusError("\n".join(obstacles), "correct the file, or delete those nodes")
    return changes


def apply(ironic: Any, change: Change) -> str:
    """Carry out ``change``; return the id of its node. If that fails, what it made is deleted."""
    node_id = change.known_id
    if node_id is None:
        with translated(SERVICE):
            node_id = str(ironic.create_node(**change.attributes).id)
        what = f"Ironic has the node {change.label} ({node_id}) without all of its ports"
        with undone(what, lambda: ironic.delete_node(node_id)):
            _create_ports(ironic, node_id, change)
        return node_id
    if change.patch:
        with translated(SERVICE):
            ironic.patch_node(node_id, [dict(item) for item in change.patch])
    _create_ports(ironic, node_id, change)
    return node_id


def _create_ports(ironic: Any, node_id: str, change: Change) -> None:
    for port in change.ports:
        with translated(SERVICE):
            ironic.create_port(node_id=node_id, **port)


def _port(mac: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    own = {
        port["address"].lower(): port["physical_network"]
        for port in wanted.get("ports", ())
        if "physical_network" in port
    }
    common = wanted.get("physical_network", "ctlplane")
    return {"address": mac.lower(), "physical_network": own.get(mac.lower(), common)}


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
    return _sparing(Change(label(wanted), known.id, {}, tuple(patch), ports), known, hidden)


def _sparing(change: Change, known: Any, hidden: Mapping[str, Any]) -> Change:
    """Return ``change`` with its differences, and without what ``known`` may not have now.

    A node with a server needs to be reached by Ironic: the data of its controller are changed, if
    the driver stays. All else would change the machine under its user. While Ironic is working on
    a node, nothing is.
    """
    differing = {item["path"]: _difference(item, known, hidden) for item in change.patch}
    ports = [Difference("port", None, port["address"]) for port in change.ports]
    if not in_use(known):
        return replace(change, differences=(*_shown(differing), *ports))
    reached = known.provision_state in _STABLE and "/driver" not in differing
    patch = [item for item in change.patch if reached and item["path"].startswith(_REACHING)]
    now = {item["path"]: differing[item["path"]] for item in patch}
    later = {path: one for path, one in differing.items() if path not in now}
    return replace(
        change,
        patch=tuple(patch),
        ports=(),
        differences=_shown(now),
        held=(*_shown(later), *ports),
    )


def _shown(differing: Mapping[str, Difference]) -> tuple[Difference, ...]:
    return tuple(one for path, one in differing.items() if not path.startswith("/extra/"))


def _difference(item: Mapping[str, Any], known: Any, hidden: Mapping[str, Any]) -> Difference:
    part, _, key = item["path"].strip("/").partition("/")
    old = (known[part] or {}).get(key) if key else known[part]
    return Difference(f"{part} {key}" if key else part, old, item["value"], key in hidden)


def _driver_info(
    wanted: Mapping[str, Any], driver: Driver, boot: Boot
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the ``driver_info`` that Ironic shows again, and the part that it masks."""
    info: dict[str, Any] = {}
    hidden: dict[str, Any] = {}
    for name, key in driver.info.items():
        if name in wanted:
            (hidden if name in SECRET_FIELDS else info)[key] = wanted[name]
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
        key: plain.get(name, str)(values[name])
        for name, key in _PROPERTIES.items()
        if name in values
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
