# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the os-refresh-config scripts of the nova-TYPE elements share; source refresh.sh first.
#
# A script PP-nova-TYPE that sources this ends here, successfully, where the metadata describe no process of TYPE.

# nova_compute_described TYPE: whether the metadata describe a process of TYPE. One that runs without is stopped.
nova_compute_described() {
    local unit=nova-compute-$1.service
    if [ -n "$(metadata "nova-$1" "")" ]; then
        return 0
    fi
    echo "the metadata describe no process of type $1" >&2
    if systemctl --quiet is-active "$unit"; then
        systemctl disable --now "$unit"
    fi
    return 1
}

# nova_compute_directories TYPE [USER]: make the directories of a nova-compute process that runs as USER, else root.
nova_compute_directories() {
    local user=${2:-root} state lock
    state=$(metadata "nova-$1.state_path")
    lock=$(metadata "nova-$1.lock_path")
    install -d -o "$user" -g "$user" -m 0755 "$state" "$state/instances" "$lock"
}

# start_nova_compute TYPE [FILE…]: start nova-compute-TYPE, or restart it if its configuration or a FILE changed.
start_nova_compute() {
    local type=$1
    shift
    restart_if_changed --no-wait "nova-compute-$type.service" \
        /etc/nova/nova.conf /etc/nova/compute/shared.conf "/etc/nova/compute/nova-$type.conf" "$@"
}

nova_compute_described "${0##*-nova-}" || exit 0
