# SPDX-License-Identifier: Apache-2.0
"""Modules that Nova imports as ``nova.virt.<name>``; see :mod:`novadrivers.patches`."""
