# SPDX-License-Identifier: Apache-2.0
"""``python3 -m novadrivers.processes FILE DIRECTORY``; see :func:`novadrivers.processes.main`."""

import sys

from novadrivers.processes.command import main, this_node

sys.exit(main(sys.argv[1:], this_node()))
