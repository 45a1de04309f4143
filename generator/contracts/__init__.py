# SPDX-License-Identifier: Apache-2.0
"""Service contracts (service.yaml): what a service needs, provides and may be configured with."""

from generator.contracts.loader import element_closure, element_deps, installed, load, read

__all__ = ["element_closure", "element_deps", "installed", "load", "read"]
