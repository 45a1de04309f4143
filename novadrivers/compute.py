# SPDX-License-Identifier: Apache-2.0
"""nova-compute that also finds this package's drivers, as ``nova.virt.<module>``.

Nova loads drivers from ``nova.virt`` only (``nova.virt.driver.load_compute_driver``). That was a
namespace package until 2024.2 and is none since 2025.1; adding a directory to its path works with
both.
"""

import sys
from pathlib import Path

from novadrivers.shared import service_state

DIRECTORY = Path(__file__).resolve().parent / "virt"
"""Modules that Nova sees as ``nova.virt.<name>``: each only names a driver of this package."""


def extend_nova() -> None:
    """Make the modules of :data:`DIRECTORY` importable as ``nova.virt.<name>``."""
    import nova.virt

    if str(DIRECTORY) not in nova.virt.__path__:
        nova.virt.__path__.append(str(DIRECTORY))


def main() -> int:
    """Run nova-compute with the arguments of this process and return its exit code."""
    # oslo.config looks for the configuration by this name, and log files get it.
    sys.argv[0] = "nova-compute"
    # nova.cmd comes first: importing it chooses eventlet or threads, which patches the standard
    # library.
    from nova.cmd import compute

    extend_nova()
    service_state.announce(compute.service.Service)
    return compute.main() or 0


if __name__ == "__main__":
    sys.exit(main())
