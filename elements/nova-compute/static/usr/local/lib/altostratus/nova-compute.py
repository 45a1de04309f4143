#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""nova-compute that also finds this project's drivers, as nova.virt.<module>.

Nova loads drivers from nova.virt only; it was a namespace package until 2024.2, and is none since
2025.1. Adding a directory to its path works with both.
"""

import sys

import nova.monkey_patch  # noqa: F401 - first: it patches the standard library for eventlet
import nova.virt
from nova.cmd import compute

nova.virt.__path__.append("/usr/share/altostratus/novadrivers")

if __name__ == "__main__":
    sys.exit(compute.main())
