# SPDX-License-Identifier: Apache-2.0
"""Images in Glance: the calls to it, and what load-image does with them."""
