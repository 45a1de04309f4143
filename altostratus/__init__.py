# SPDX-License-Identifier: Apache-2.0
"""What all commands share: errors, processes, files, credentials, hypervisor types, YAML files."""
