# SPDX-License-Identifier: Apache-2.0
"""Docker driver for Nova: an instance is a system container with systemd as its first process.

Only ``driver``, ``host``, ``vifs``, ``specs``, ``failures`` and ``compat`` import Nova; the other
modules know images, containers and network namespaces, and nothing of Nova.
"""
