# SPDX-License-Identifier: Apache-2.0
"""What the drivers of all hypervisor types share."""
