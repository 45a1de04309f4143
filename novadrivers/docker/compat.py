# SPDX-License-Identifier: Apache-2.0
"""Where Nova's releases differ for a driver: Zed (26) to the newest."""

import importlib


def node_identity() -> dict[str, str]:
    """Return the node's uuid as a part of its resource record; Nova keeps one since 2023.1."""
    try:
        node = importlib.import_module("nova.virt.node")
    except ModuleNotFoundError:
        return {}
    return {"uuid": node.get_local_node_uuid()}
