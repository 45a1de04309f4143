# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Functions for the os-refresh-config scripts of the libvirt types; source refresh.sh first.

# libvirt_directories STATE_PATH: make the directories of a libvirtd; its configuration goes to
# STATE_PATH/libvirt/etc, which is bound over /etc/libvirt in the namespace of its hypervisor.
libvirt_directories() {
    local libvirt=$1/libvirt
    install -d -o root -g root -m 0755 "$libvirt" "$libvirt/etc" "$libvirt/etc/hooks"
    if [ ! -f "$libvirt/host_uuid" ]; then
        cat /proc/sys/kernel/random/uuid > "$libvirt/host_uuid"
    fi
    cat > "$libvirt/etc/libvirtd.conf" << EOF
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_rw_perms = "0700"
host_uuid = "$(cat "$libvirt/host_uuid")"
log_outputs = "3:stderr"
EOF
}

# start_libvirtd TYPE STATE_PATH: start the namespace and the libvirtd of TYPE, or restart them if their
# configuration has changed.
start_libvirtd() {
    restart_if_changed "hypervisor@$1.service" "/etc/nova/compute/nova-$1.env"
    restart_if_changed --no-wait "libvirtd@$1.service" "$2/libvirt/etc"/*.conf
    restart_if_changed --no-wait "guests@$1.service"
}
