# SPDX-License-Identifier: Apache-2.0
"""Differences between Nova's releases that a driver notices, from Zed (26) on."""

import importlib


def node_identity() -> dict[str, str]:
    """Return the node's uuid as part of its resource record; Nova has one since 2023.1."""
    try:
        node = importlib.import_module("nova.virt.node")
    except ModuleNotFoundError:
        return {}
    return {"uuid": node.get_local_node_uuid()}
