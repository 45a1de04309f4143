# SPDX-License-Identifier: Apache-2.0

# debootstrap's files for ifupdown, which is not installed: systemd-networkd does it.
export DIB_APT_MINIMAL_CREATE_INTERFACES=0
export DIB_DEBOOTSTRAP_DEFAULT_LOCALE=C.UTF-8
