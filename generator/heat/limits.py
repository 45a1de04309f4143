# SPDX-License-Identifier: Apache-2.0
"""Whether the stack of a cloud is within Heat's default limits, which an operator can raise."""

from collections.abc import Iterator

from altostratus.yamlfile.problems import Mark, Problem
from generator.cloudfile.model import Cloud
from generator.heat import checks

# heat/common/config.py: max_resources_per_stack, max_template_size.
_RESOURCES = 1000
_TEMPLATE_BYTES = 524_288

_MESSAGE = "{} has {} {}; Heat's {} is {} by default"
_HINT = "raise it in heat.conf"


def check(cloud: Cloud, template_size: int, mark: Mark) -> Iterator[Problem]:
    """Yield the limits that the stack of ``cloud`` exceeds; ``mark`` is the cloud file's.

    ``template_size`` is the size of the root template in bytes.
    """
    count = resources_count(cloud)
    if count > _RESOURCES:
        limit = ("max_resources_per_stack", _RESOURCES)
        message = _MESSAGE.format("the stack", count, "resources", *limit)
        yield checks.RESOURCES.at(mark, message, _HINT)
    if template_size > _TEMPLATE_BYTES:
        limit = ("max_template_size", _TEMPLATE_BYTES)
        message = _MESSAGE.format("the template", template_size, "bytes", *limit)
        yield checks.TEMPLATE_SIZE.at(mark, message, _HINT)


def resources_count(cloud: Cloud) -> int:
    """Return how many resources the stack has with all nested ones, which Heat limits."""
    count = 1
    for role in cloud.roles.values():
        # The configuration; a group, its members, and in each of them a server and a deployment.
        count += 2 + 3 * role.count
        count += len(role.networks) * (role.count + (0 if role.addresses else 1))
    return count
