# SPDX-License-Identifier: Apache-2.0
"""What the metadata of instances looks like, whether Heat functions fill it or literals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from generator.cloud import Role
from generator.references import Text, Value
from generator.resolve import Plan


def tree(
    plan: Plan, role: Role, value: Callable[[str, Value], Any], own: Callable[[str], Any]
) -> dict[str, Any]:
    """Return the metadata of an instance of ``role`` as a tree.

    ``value`` renders the symbolic value of a key, ``own`` what differs between instances (``name``
    and ``NETWORK.address``).
    """
    instance = {
        "name": own("name"),
        "role": role.name,
        "cloud": plan.cloud.name,
        "hypervisor-type": role.hypervisor,
        "addresses": {network: own(f"{network}.address") for network in role.networks},
    }
    keys = {key: value(key, one) for key, one in plan.metadata[role.name].items()}
    return {"instance": instance, **nested(keys)}


def nested(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted keys as a tree: ``{"a.b": 1}`` becomes ``{"a": {"b": 1}}``."""
    tree: dict[str, Any] = {}
    for key, value in keys.items():
        *path, leaf = key.split(".")
        branch = tree
        for word in path:
            branch = branch.setdefault(word, {})
        branch[leaf] = value
    return tree


def replaced(value: Value, text: Callable[[Text], Any]) -> Any:
    """Return ``value`` with ``text`` applied to every symbolic string in it."""
    if isinstance(value, Text):
        return text(value)
    if isinstance(value, Mapping):
        return {key: replaced(item, text) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [replaced(item, text) for item in value]
    return value
