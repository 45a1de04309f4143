# SPDX-License-Identifier: Apache-2.0
"""Image files: from the root of an image to what its hypervisor type wants, and back."""

from imagebuild.formats.reproducible import EPOCH, settle
from imagebuild.formats.writers import WRITERS, unpack_root, write, write_ext4

__all__ = ["EPOCH", "WRITERS", "settle", "unpack_root", "write", "write_ext4"]
