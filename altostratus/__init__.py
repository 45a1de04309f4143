# SPDX-License-Identifier: Apache-2.0
"""What all tools share: errors, commands, files, credentials, hypervisor types, YAML files."""
