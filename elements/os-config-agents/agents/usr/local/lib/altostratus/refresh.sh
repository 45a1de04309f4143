# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What os-refresh-config scripts share. A script starts with
#
#     #!/bin/bash
#     set -eu -o pipefail
#     . /usr/local/lib/altostratus/refresh.sh
#
# A function that fails ends the script with status 1 and a message on stderr; os-refresh-config then runs
# error.d, which reports script and message to Heat. No function prints a metadata value or the contents of a
# configuration file.
#
# Read values with a plain assignment (host=$(metadata keystone.host)): in `local x=$(…)`, in the words
# of a command and in conditions bash ignores the failure of the inner command.

# Only tests override these.
REFRESH_LIB=${REFRESH_LIB:-/usr/local/lib/altostratus}
REFRESH_STATE=${REFRESH_STATE:-/var/lib/altostratus}
REFRESH_METADATA=${REFRESH_METADATA:-/run/altostratus/metadata.json}
REFRESH_SCHEMA_CACHE=${REFRESH_SCHEMA_CACHE:-/var/cache/altostratus/schema}

# fail MESSAGE: end the script with status 1.
fail() {
    echo "error: $*" >&2
    exit 1
}

# metadata KEY [DEFAULT]: print the value of a dotted metadata key (null counts as absent); booleans, lists
# and mappings as JSON, everything else as it is. Without DEFAULT an absent key is an error.
metadata() {
    /usr/bin/env python3 -IS "$REFRESH_LIB/metadata.py" "$REFRESH_METADATA" "$@"
}

# metadata_json KEY [DEFAULT]: the same, always as JSON (strings quoted).
metadata_json() {
    /usr/bin/env python3 -IS "$REFRESH_LIB/metadata.py" --json "$REFRESH_METADATA" "$@"
}

# wait_for WHAT SECONDS COMMAND…: run COMMAND until it succeeds, at first every second, later every five: many
# instances may wait for the same thing for minutes, and each attempt takes some tenths of a second of processor time.
# On timeout the message has the last line of COMMAND's output.
wait_for() {
    local what=$1 limit=$2 started=$SECONDS deadline pause output said=
    shift 2
    deadline=$((started + limit))
    until output=$("$@" 2>&1); do
        if [ "$SECONDS" -ge "$deadline" ]; then
            output=$(tail -n 1 <<< "$output")
            fail "timed out after $limit s waiting for $what${output:+ ($output)}"
        fi
        if [ -z "$said" ]; then
            echo "waiting for $what, at most $limit s" >&2
            said=1
        fi
        pause=$((1 + (SECONDS - started) / 10))
        sleep $((pause < 5 ? pause : 5))
    done
}

# wait_tcp HOST PORT SECONDS WHAT: wait until something accepts connections there.
wait_tcp() {
    # shellcheck disable=SC2016 # the inner bash expands them
    wait_for "$4 ($1 port $2)" "$3" \
        timeout 5 bash -c 'exec 3<> "/dev/tcp/$1/$2"' wait_tcp "$1" "$2"
}

# restart_if_changed [--no-wait] UNIT FILE…: enable UNIT and make it run with the current contents of FILEs and
# of its unit file: start it if it is not active, restart it if one of them has changed since the last start, else
# do nothing. A missing FILE is a state, too. With --no-wait the job is only queued; a later script waits until the
# service answers.
restart_if_changed() {
    local block=() unit stamp new
    if [ "$1" = --no-wait ]; then
        block=(--no-block)
        shift
    fi
    unit=$1
    shift
    stamp=$REFRESH_STATE/units/$unit
    if [ "$(systemctl show --property=NeedDaemonReload --value "$unit")" = yes ]; then
        systemctl daemon-reload
    fi
    new=$(_unit_digest "$unit" "$@")
    # add-wants, because enable runs update-rc.d for packages with an init script and then reloads
    # systemd three times; nothing needs to be reloaded for a link.
    systemctl is-enabled --quiet "$unit" ||
        systemctl --quiet --no-reload add-wants multi-user.target "$unit"
    if systemctl is-active --quiet "$unit"; then
        if [ "$new" = "$(_stamp "$stamp")" ]; then
            return 0
        fi
        echo "restarting $unit: its configuration changed" >&2
        _unit_job restart "$unit" "${block[@]}"
    else
        echo "starting $unit" >&2
        # Otherwise the start limit, used up by earlier failures, could reject the job.
        if systemctl is-failed --quiet "$unit"; then
            systemctl reset-failed "$unit"
        fi
        _unit_job start "$unit" "${block[@]}"
    fi
    _write_stamp "$stamp" "$new"
}

# db_sync DATABASE[,DATABASE…] "PACKAGE…" MARKER COMMAND…: migrate schemas with COMMAND, once for each set of
# versions of PACKAGEs.
#
# Creating a schema takes minutes. So where the schema cache exists and the database server is local (mariadb over
# its socket), empty databases are restored from a dump in the cache, keyed by the package versions; without a dump,
# COMMAND runs and the result is dumped. COMMAND must therefore store nothing that belongs to one cloud (passwords,
# addresses, endpoints).
db_sync() {
    local databases=${1//,/ } packages=$2 marker=$3 versions key stamp dump=
    shift 3
    # shellcheck disable=SC2086 # a list of packages
    versions=$(dpkg-query -W -f '${Package}=${Version}\n' $packages)
    key=$(printf '%s\n' "$databases" "$versions" "$*" | sha256sum | cut -c 1-16)
    stamp=$REFRESH_STATE/db-sync/$marker
    if _databases_empty "$databases"; then
        if [ -d "$REFRESH_SCHEMA_CACHE" ]; then
            dump=$REFRESH_SCHEMA_CACHE/$marker-$key.sql.gz
        fi
    elif [ "$key" = "$(_stamp "$stamp")" ]; then
        return 0
    fi
    if [ -n "$dump" ] && [ -f "$dump" ]; then
        echo "restoring the schema of $databases from the cache" >&2
        gzip -dc "$dump" | mariadb --batch
    else
        echo "creating or migrating the schema of $databases" >&2
        "$@"
        if [ -n "$dump" ] && ! _dump_databases "$databases" "$dump"; then
            echo "warning: the schema of $databases could not be cached" >&2
        fi
    fi
    _write_stamp "$stamp" "$key"
}

# Private functions.

# Print a digest of a unit's configuration: file names, contents, unit file and drop-ins.
_unit_digest() {
    local unit=$1 file
    shift
    {
        systemctl cat "$unit"
        for file in "$@"; do
            echo "$file"
            if [ -e "$file" ]; then
                sha256sum < "$file"
            fi
        done
    } | sha256sum | cut -d ' ' -f 1
}

# Run a systemd job; when it fails, print the unit's journal on stderr, so that the report has the cause.
_unit_job() {
    local verb=$1 unit=$2
    shift 2
    if ! systemctl "$@" "$verb" "$unit"; then
        journalctl --no-pager --output=cat --lines=20 --unit="$unit" >&2
        fail "cannot $verb $unit"
    fi
}

_stamp() {
    if [ -f "$1" ]; then
        cat "$1"
    fi
}

_write_stamp() {
    mkdir -p "${1%/*}"
    echo "$2" > "$1.new"
    mv "$1.new" "$1"
}

# Return whether the database server is local and all of these databases exist without a table.
_databases_empty() {
    local database query
    command -v mariadb > /dev/null || return 1
    for database in $1; do
        query="SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '$database'"
        [ "$(mariadb --batch --skip-column-names -e "$query" 2>/dev/null)" = 0 ] || return 1
    done
}

# Atomically: the cache outlives this machine.
_dump_databases() {
    local dump=$2
    # shellcheck disable=SC2086 # a list of databases
    if (umask 077 && mariadb-dump --skip-comments --single-transaction --databases $1 |
        gzip -1 > "$dump.$$"); then
        mv "$dump.$$" "$dump"
    else
        rm -f "$dump.$$"
        return 1
    fi
}
