# SPDX-License-Identifier: Apache-2.0
"""YAML files with the place of every value: reading, checking against a schema, writing."""
