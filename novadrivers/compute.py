# SPDX-License-Identifier: Apache-2.0
"""nova-compute with the drivers of this package: ``python3 -m novadrivers.compute``.

It takes the arguments of nova-compute, and runs it after :func:`novadrivers.patches.install`.
"""

import sys


def main() -> int:
    """Run nova-compute with the arguments of this process and return its exit code."""
    # oslo.config derives the names of configuration and log files from it.
    sys.argv[0] = "nova-compute"
    # nova.cmd must be the first import of Nova: it chooses eventlet or threads, which patches the
    # standard library.
    from nova.cmd import compute

    from novadrivers import patches

    patches.install()
    return compute.main() or 0


if __name__ == "__main__":
    sys.exit(main())
