# SPDX-License-Identifier: Apache-2.0

# The kernel's package makes no initial ramdisk: post-install.d makes it once, when all settings are there.
export INITRD=No
