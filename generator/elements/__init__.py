# SPDX-License-Identifier: Apache-2.0
"""Whether an element holds what images, instances and the generator expect of it."""

from generator.elements.element import Element, check, find

__all__ = ["Element", "check", "find"]
