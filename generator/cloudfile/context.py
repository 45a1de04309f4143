# SPDX-License-Identifier: Apache-2.0
"""What checks of a cloud file look at: the tree of the file, and the model that was read from it.

What violates the schema is not in the tree. Its keys are ``lost`` there (see ``Node``), so that a
check can tell what is absent from what is not known, and no follow-on errors are reported.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from altostratus.yamlfile.document import Node
from altostratus.yamlfile.problems import Mark
from generator.cloudfile.model import Cloud, Network, Role
from generator.contracts.model import Contracts


@dataclass(frozen=True)
class Context:
    """A cloud file as its checks see it.

    ``root`` is the tree. ``networks`` and ``roles`` are those of the tree, by name; a network whose
    cidr is not known is only there. ``joined`` is the cloud that this one joins, or None.
    """

    root: Node
    networks: Mapping[str, Network]
    roles: Mapping[str, Role]
    contracts: Contracts
    joined: Cloud | None

    @cached_property
    def network_nodes(self) -> Mapping[str, Node]:
        """The trees of the networks by name."""
        return fields(self.root, "networks")

    @cached_property
    def role_nodes(self) -> Mapping[str, Node]:
        """The trees of the roles by name."""
        return fields(self.root, "roles")

    @cached_property
    def network_names(self) -> list[str]:
        """The names of the networks in the order of the file, those with mistakes last."""
        return network_names(self.root)

    def place(self, *keys: str) -> Mark:
        """Return the place of the value at ``keys``, or of the nearest one above it."""
        return place(self.root, *keys)

    def knows_networks(self, role: Role) -> bool:
        """Return whether the networks of ``role`` are known for certain."""
        node = self.role_nodes[role.name]
        given = node.get("networks")
        is_damaged = not is_known(node, "networks") or (given and given.lost)
        return not is_damaged and set(role.networks) <= set(self.network_names)


def fields(node: Node, key: str) -> Mapping[str, Node]:
    """Return the mapping at ``key`` of ``node``; empty if it is absent."""
    inner = node.get(key)
    return inner.fields if inner else {}


def place(node: Node, *keys: str) -> Mark:
    """Return the place of the value at ``keys`` below ``node``, or of the nearest one above it."""
    for key in keys:
        below = node.get(key)
        if below is None:
            break
        node = below
    return node.mark


def is_known(node: Node, *keys: str) -> bool:
    """Return whether each of ``keys`` of ``node`` is valid or absent."""
    return node.lost.isdisjoint(keys)


def network_names(root: Node) -> list[str]:
    """Return the names of the networks of the tree ``root``, those with mistakes last."""
    node = root.get("networks")
    return [*node.fields, *sorted(node.lost - node.fields.keys())] if node else []
