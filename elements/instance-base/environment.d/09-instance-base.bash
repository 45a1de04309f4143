# SPDX-License-Identifier: Apache-2.0

# No ifupdown files from the element debootstrap: systemd-networkd configures the network.
export DIB_APT_MINIMAL_CREATE_INTERFACES=0
export DIB_DEBOOTSTRAP_DEFAULT_LOCALE=C.UTF-8
