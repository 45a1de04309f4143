# SPDX-License-Identifier: Apache-2.0
"""Heat stacks, networks and metadata from one cloud file."""
