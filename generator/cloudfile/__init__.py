# SPDX-License-Identifier: Apache-2.0
"""Cloud files: their form, their model, and every check of what they say."""

from generator.cloudfile.loader import load, parse

__all__ = ["load", "parse"]
