# SPDX-License-Identifier: Apache-2.0
"""Docker driver for Nova: an instance is a system container with systemd as its first process.

Only ``driver``, ``host``, ``vifs``, ``specs``, ``failures`` and ``compat`` import Nova. The other
modules deal with images, containers and network namespaces.
"""
