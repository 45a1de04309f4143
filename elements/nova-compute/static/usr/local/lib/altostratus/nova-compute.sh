# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the os-refresh-config scripts of the nova-TYPE elements share; source refresh.sh first.
#
# If the metadata describe no process of TYPE, sourcing this ends the script NN-nova-TYPE with success. Its arguments
# are the units of the contract besides nova-compute-TYPE, in the order in which they stop.

# nova_compute_described TYPE [UNIT…]: return whether the metadata describe a process of TYPE. If they no longer do,
# stop the process, then the UNITs; guests@TYPE comes first and shuts the instances down.
nova_compute_described() {
    local type=$1 described units=("nova-compute-$1.service" "${@:2}")
    # Unreadable metadata must not stop anything.
    described=$(metadata "nova-$type" "") || exit 1
    if [ -n "$described" ]; then
        return 0
    fi
    echo "the metadata describe no process of type $type" >&2
    # A unit that was ever started is enabled. systemd stops them in order, as at shutdown.
    if systemctl --quiet is-enabled "${units[@]}" 2> /dev/null; then
        systemctl disable --now "${units[@]}"
    fi
    return 1
}

# nova_compute_directories TYPE [USER [GROUP]]: make the directories of a nova-compute process that runs as USER (root).
# They hold the disks of instances, with their secrets: nobody else may enter them, except that GROUP, to which the
# guests belong, may go through to its files. setgid: what is made in them belongs to GROUP, too.
nova_compute_directories() {
    local user=${2:-root} group=${3:-} state lock
    state=$(metadata "nova-$1.state_path")
    lock=$(metadata "nova-$1.lock_path")
    if [ -n "$group" ]; then
        install -d -o "$user" -g "$group" -m 2710 "$state" "$state/instances"
    else
        install -d -o "$user" -g "$user" -m 0700 "$state" "$state/instances"
    fi
    install -d -o "$user" -g "$user" -m 0700 "$lock"
}

# start_nova_compute TYPE [FILE…]: start nova-compute-TYPE, or restart it if its configuration or a FILE has changed.
start_nova_compute() {
    local type=$1
    shift
    restart_if_changed --no-wait "nova-compute-$type.service" \
        /etc/nova/nova.conf /etc/nova/compute/shared.conf "/etc/nova/compute/nova-$type.conf" "$@"
}

nova_compute_described "${0##*-nova-}" "$@" || exit 0
