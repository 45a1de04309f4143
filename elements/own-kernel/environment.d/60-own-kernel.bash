# SPDX-License-Identifier: Apache-2.0

# The kernel package makes no initial ramdisk: post-install.d makes it once, when all settings exist.
export INITRD=No
