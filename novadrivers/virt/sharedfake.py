# SPDX-License-Identifier: Apache-2.0
"""Nova's fake driver on a shared agent: ``compute_driver = sharedfake.FakeDriver``."""

from novadrivers.fake import FakeDriver

__all__ = ["FakeDriver"]
