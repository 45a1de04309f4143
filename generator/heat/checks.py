# SPDX-License-Identifier: Apache-2.0
"""Checks of the stack against Heat's limits, which an operator can raise."""

from altostratus.yamlfile.problems import Check

RESOURCES = Check("W5001", "resources", "The stack has more resources than Heat allows by default")
TEMPLATE_SIZE = Check(
    "W5002", "template-size", "The template is larger than Heat allows by default"
)
