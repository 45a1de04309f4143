# SPDX-License-Identifier: Apache-2.0
"""Commands that set up a running cloud: networks, flavors and bare-metal nodes."""
