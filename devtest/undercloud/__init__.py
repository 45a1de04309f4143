# SPDX-License-Identifier: Apache-2.0
"""The local undercloud: its container, its nodes, and the servers that run in its Nova."""

from devtest.undercloud.lifecycle import (
    CLOUD,
    NODE,
    address,
    current,
    describe,
    failure,
    start,
    state_paths,
    wait_until_ready,
)

__all__ = [
    "CLOUD",
    "NODE",
    "address",
    "current",
    "describe",
    "failure",
    "start",
    "state_paths",
    "wait_until_ready",
]
