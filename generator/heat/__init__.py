# SPDX-License-Identifier: Apache-2.0
"""The Heat templates of a cloud."""

from generator.heat.stack import environment, flavor, resources_count, template

__all__ = ["environment", "flavor", "resources_count", "template"]
