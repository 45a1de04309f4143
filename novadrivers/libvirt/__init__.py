# SPDX-License-Identifier: Apache-2.0
"""Nova's libvirt driver for containers and virtual machines, beside other drivers on a node."""
