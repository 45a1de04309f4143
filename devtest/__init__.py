# SPDX-License-Identifier: Apache-2.0
"""A real undercloud on one machine, and the end-to-end run on it."""
