# SPDX-License-Identifier: Apache-2.0
"""Service contracts (service.yaml): what a service needs, provides and may be configured with."""

from generator.contracts.loader import element_closure, load

__all__ = ["element_closure", "load"]
