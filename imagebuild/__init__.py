# SPDX-License-Identifier: Apache-2.0
"""Images of a role for each hypervisor type, and their way into Glance."""
