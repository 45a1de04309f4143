# SPDX-License-Identifier: Apache-2.0
"""What each subcommand of devtest does; ``devtest.main`` has the table of them."""
