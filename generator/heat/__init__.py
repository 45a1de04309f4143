# SPDX-License-Identifier: Apache-2.0
"""The Heat templates of a cloud."""

from generator.heat.stack import environment, server_template, template

__all__ = ["environment", "server_template", "template"]
