# SPDX-License-Identifier: Apache-2.0
"""YAML and JSON files with the place of every value: reading, checking by a schema, writing."""
