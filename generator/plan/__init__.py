# SPDX-License-Identifier: Apache-2.0
"""The plan of a cloud: the metadata of each role and its secrets, from contracts and settings."""
