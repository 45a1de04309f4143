# SPDX-License-Identifier: Apache-2.0
"""Reads ``nodes.json`` in each of the forms that TripleO had for it, and checks it.

The other forms become the one of ``setupcloud.nodeschema`` first, with the place of every value.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from altostratus.yamlfile import checks, document, schema
from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Problem, Report
from setupcloud.nodeschema import DRIVERS, MAC, NODE, NODES, PM_FIELDS, SECRET_FIELDS

_RENAMED = {"redfish_verify_ca": "pm_verify_ca"}
_BOOLEANS = {"true": True, "false": False}
# Fields of TripleO that have no effect here, by the beginning of their names.
_ELSEWHERE = {
    "pm_virt_type": "Ironic has no SSH driver any more: use 'redfish' with sushy-tools, or 'ipmi'",
    "pm_vm_name": "oVirt is not supported: use 'redfish' or 'ipmi', where the machine has one",
    "ipmi_": "set it in Ironic: openstack baremetal node set --driver-info; it is not changed here",
    "uuid": "remove it: nodes are identified by 'mac' or 'name'",
    "profile": "add 'profile:NAME' to 'capabilities'",
    "local_link_connection": "set it in Ironic: openstack baremetal port set",
    "pxe_enabled": "set it in Ironic: openstack baremetal port set",
}
_INTERFACE = "it follows from 'pm_type'; others can be set in Ironic and are not changed"


def read(path: Path) -> list[dict[str, Any]]:
    """Return the nodes of the file ``path``, each of the form ``nodeschema.NODE``.

    Raises InvalidInputError with every problem of the file.
    """
    document.require(path, "docs/register-nodes.md says what is in it")
    report = Report()
    root = _root(document.load(path, report))
    schema.check(root, NODES, report, "nodes file")
    listed = (root.get("nodes") or root).items
    sound = [one for item in listed if (one := schema.sound(item, NODE))]
    for one in sound:
        _check_node(one, report)
    schema.check_unique((one.get("name") for one in sound), "name", report)
    addresses = [mac for one in sound if (macs := one.get("mac")) for mac in macs.items]
    schema.check_unique(addresses, "mac", report)
    report.problems = [_advised(one) for one in report.problems]
    report.raise_if_any()
    nodes: list[dict[str, Any]] = root.plain()["nodes"]
    return nodes


def _root(root: Node) -> Node:
    """Return ``root`` as a mapping with a list of nodes: it may be a list, or have a mapping."""
    if isinstance(root.value, list):
        root = Node(root.mark, {"nodes": root}, {"nodes": root.mark})
    nodes = root.get("nodes")
    if nodes is None:
        return root
    items = nodes.items
    if isinstance(nodes.value, dict):
        items = [_named(key, nodes.keys[key], node) for key, node in nodes.fields.items()]
    elif not isinstance(nodes.value, list):
        return root
    listed = replace(nodes, value=[_node(item) for item in items], keys={})
    return replace(root, value={**root.fields, "nodes": listed})


def _named(name: str, mark: Any, node: Node) -> Node:
    if not isinstance(node.value, dict) or "name" in node.fields:
        return node
    return _with(node, "name", Node(mark, name))


def _with(node: Node, key: str, value: Node) -> Node:
    return replace(
        node,
        value={**node.fields, key: value},
        keys={**node.keys, key: node.keys.get(key, value.mark)},
    )


def _node(node: Node) -> Node:
    """Return a node of the file in the form of NODE, as far as it can be told."""
    if not isinstance(node.value, dict):
        return node
    # TripleO's examples have "_comment", and its exports null or "" for what is not known.
    kept = {
        _RENAMED.get(key, key): value
        for key, value in node.fields.items()
        if not key.startswith("_") and value.value is not None and value.value != ""
    }
    keys = {_RENAMED.get(key, key): mark for key, mark in node.keys.items()}
    node = replace(node, value=kept, keys=keys)
    for key, form in _FORMS.items():
        if key in kept:
            node = _with(node, key, form(kept[key]))
    return _with(node, "mac", _macs(node)) if "ports" in kept else node


def _listed(node: Node) -> Node:
    return replace(node, value=[node]) if isinstance(node.value, str) else node


def _ports(node: Node) -> Node:
    """Return a list of ports: they may be bare addresses."""
    ports = [
        Node(one.mark, {"address": one}, {"address": one.mark})
        if isinstance(one.value, str)
        else one
        for one in node.items
    ]
    return replace(node, value=ports) if isinstance(node.value, list) else node


def _macs(node: Node) -> Node:
    """Return the Ethernet addresses of ``node``, those of its ports among them."""
    given, ports = node.get("mac"), node.fields["ports"]
    macs = given.items if given else []
    known = {str(one.value).lower() for one in macs}
    found = [address for port in ports.items if (address := port.get("address"))]
    # What is none is reported where it is.
    valid = [one for one in found if re.fullmatch(MAC.strip("^$"), str(one.value))]
    added = [one for one in valid if str(one.value).lower() not in known]
    if macs or added:
        return Node(ports.mark, [*macs, *added])
    return Node(ports.mark, None, lost=frozenset({"mac"}))


def _capabilities(node: Node) -> Node:
    """Return ``KEY:VALUE,KEY:VALUE``: it may be a mapping, or a list of such texts."""
    if node.fields:
        pairs = [f"{key}:{_word(value)}" for key, value in node.fields.items()]
        return Node(node.mark, ",".join(pairs))
    if node.items:
        return Node(node.mark, ",".join(str(_word(item)) for item in node.items))
    return node


def _word(node: Node) -> str:
    return str(node.value).lower() if isinstance(node.value, bool) else str(node.value)


def _boolean(node: Node) -> Node:
    return replace(node, value=_BOOLEANS.get(str(node.value).lower(), node.value))


def _whole(node: Node) -> Node:
    """Return a number in quotes without zeros before it: TripleO writes the port 623 as "0623"."""
    if isinstance(node.value, str) and re.fullmatch(r"0\d+", node.value):
        return replace(node, value=node.value.lstrip("0") or "0")
    return node


_FORMS = {
    "mac": _listed,
    "ports": _ports,
    "capabilities": _capabilities,
    "pm_verify_ca": _boolean,
    "pm_port": _whole,
}


def _advised(problem: Problem) -> Problem:
    """Return ``problem`` without a password, and with what to do about a field of TripleO's."""
    field = problem.message.partition(":")[0]
    if field in SECRET_FIELDS:
        return replace(problem, message=f"{field}: the value is not a string, or is empty")
    found = re.fullmatch(r"unknown key '(.*)'", problem.message)
    if problem.check != checks.UNKNOWN_KEY or not found:
        return problem
    key = found[1]
    advice = next((hint for start, hint in _ELSEWHERE.items() if key.startswith(start)), None)
    if key.endswith("_interface"):
        advice = _INTERFACE
    return replace(problem, hint=advice) if advice else problem


def _check_node(node: Node, report: Report) -> None:
    if (kind := node.get("pm_type")) is not None:
        _check_driver(node, str(kind.value), report)
    images = {"kernel_id", "ramdisk_id"}
    if len(images & node.fields.keys()) == 1 and not images & node.lost:
        message = "'kernel_id' and 'ramdisk_id' go together: the ramdisk has the kernel's modules"
        report.add(node.mark, message, "give both, or neither")
    for name in ("pm_port", "cpu", "memory", "disk"):
        given = node.get(name)
        if given and not re.fullmatch(r"[1-9]\d*", str(given.value)):
            message = f"{name}: '{given.value}' is not a whole number above 0"
            report.add(given.mark, message, NODE["properties"][name]["description"])
        elif given and name == "pm_port" and int(str(given.value)) > 65535:
            message = f"pm_port: {given.value} is more than 65535"
            report.add(given.mark, message, NODE["properties"][name]["description"])
    given = node.get("capabilities")
    if given and not re.fullmatch(r"([^:,\s]+:[^:,\s]+)(,[^:,\s]+:[^:,\s]+)*", str(given.value)):
        message = f"capabilities: '{given.value}' is not KEY:VALUE,KEY:VALUE"
        report.add(given.mark, message, "such as boot_mode:bios")


def _check_driver(node: Node, kind: str, report: Report) -> None:
    driver = DRIVERS[kind]
    for name in driver.required:
        if name not in node.fields and name not in node.lost:
            report.add(node.mark, f"a node with pm_type {kind} needs '{name}'", f"add '{name}'")
    for name in PM_FIELDS - driver.info.keys() if driver.info else ():
        if (given := node.get(name)) is None or _is_said(name, given, node.fields):
            continue
        hint = f"remove it; {kind} has {', '.join(driver.info)}"
        if name == "pm_port":
            hint = "write it into 'pm_addr', after a colon"
        report.add(given.mark, f"{name}: has no effect with pm_type {kind}", hint)


def _is_said(name: str, given: Node, fields: Mapping[str, Node]) -> bool:
    """Whether the port is in the address, too, as TripleO's examples have it for redfish."""
    address = fields.get("pm_addr")
    said = re.search(r":(\d+)(/|$)", str(address.value)) if address else None
    return name == "pm_port" and said is not None and said[1] == str(given.value)
