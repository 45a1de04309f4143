# SPDX-License-Identifier: Apache-2.0
"""The directory that generate-stacks writes: its files as text, its secrets, its changes."""
