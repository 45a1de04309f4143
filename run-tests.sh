#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests.sh [--unit] [-- PYTEST-ARGUMENT...]: linters, types, unit tests, and the functional tests on real services.
#
#   --unit   the fast part alone: lint, types and unit tests, in under two minutes, without root
#
# Installs what it needs first (distribution packages as root, fewer for --unit; Python packages into .venv) and
# says so.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

profile='test'
case ${1:-} in
    -h | --help)
        sed -n '3,8s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    --unit)
        profile=unit
        shift
        ;;
    --) ;;
    '') ;;
    *)
        echo "error: unknown argument $1" >&2
        echo "hint: ./run-tests.sh --help" >&2
        exit 2
        ;;
esac
[ "${1:-}" != -- ] || shift

tools/bootstrap.sh "$profile"
PATH="$PWD/.venv/bin:$PATH"
export PATH

# stage NAME [PYTEST-ARGUMENT...]: one stage, and how long it took.
stage() {
    echo "== $1"
    SECONDS=0
    tools/check.sh "$@" || return
    echo "== $1: passed in $SECONDS s"
}

# What looks at the text takes one processor at a time, and stands beside the unit tests: in a process group of its own.
log=$(mktemp)
set -m
(stage lint && stage types) > "$log" 2>&1 &
looking=$!
set +m
trap 'kill -- "-$looking" 2> /dev/null || :; rm -f "$log"' EXIT
failed=0
stage unit "$@" || failed=1
wait "$looking" || failed=1
trap - EXIT
cat "$log"
rm -f "$log"
[ "$failed" = 0 ]
if [ "$profile" != unit ]; then
    stage functional "$@"
fi
