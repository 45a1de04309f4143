# SPDX-License-Identifier: Apache-2.0
"""Cloud files: their schema, their model and their checks."""

from generator.cloudfile.loader import load, parse

__all__ = ["load", "parse"]
