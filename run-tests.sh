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

stages=(lint types unit functional)
profile='test'
case ${1:-} in
    -h | --help)
        sed -n '3,8s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    --unit)
        stages=(lint types unit)
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
for stage in "${stages[@]}"; do
    echo "== $stage"
    SECONDS=0
    case $stage in
        lint | types) tools/check.sh "$stage" ;;
        *) tools/check.sh "$stage" "$@" ;;
    esac
    echo "== $stage: passed in $SECONDS s"
done
