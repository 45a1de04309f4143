# SPDX-License-Identifier: Apache-2.0
"""A node as a system container: namespaces, control groups, mounts and a network of its own."""

from devtest.container.lifecycle import (
    REFRESH,
    STOP_TIMEOUT,
    belonging,
    clean,
    enter_command,
    file_of,
    inside,
    memory,
    other,
    pid,
    refresh_state,
    start,
    stop,
    tail,
)

__all__ = [
    "REFRESH",
    "STOP_TIMEOUT",
    "belonging",
    "clean",
    "enter_command",
    "file_of",
    "inside",
    "memory",
    "other",
    "pid",
    "refresh_state",
    "start",
    "stop",
    "tail",
]
