# SPDX-License-Identifier: Apache-2.0
"""Import the agent and every extension that it loads by name, as it does in the deploy ramdisk."""

import importlib.metadata

import ironic_python_agent.cmd.agent  # noqa: F401
from ironic_lib import disk_partitioner, disk_utils  # noqa: F401

known = importlib.metadata.entry_points()
for group in known.groups:
    if group.startswith("ironic_python_agent."):
        for entry in known.select(group=group):
            entry.load()
