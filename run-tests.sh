#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run-tests.sh [--unit | --full] [--keep] [-- PYTEST-ARGUMENT...]: linters, types, unit and functional tests.
#
#   (no option)  the gate: lint, types, unit tests, and the functional tests that decide whether a change lands
#   --full       every functional test: what a release needs
#   --unit       lint, types and unit tests alone, in about two minutes, without root
#   --keep       leave the clouds of the functional tests running; says how to use and how to destroy them
#   -- ...       arguments for pytest. Paths choose what is run: nothing but these tests, gate or full.
#                -k and -m choose tests of every lane; a lane without such a test is no failure.
#
#   ./run-tests.sh -- tests/functional/test_nodes.py -k drained
#   ./run-tests.sh --keep -- tests/functional/test_devtest_run.py
#
# Results (a junit file, the output and the seconds of each lane, and the logs that explain failures) are in
# $ALTOSTRATUS_REPORTS or .test-results, a directory for each run; "latest" leads to the last one.
#
# Exit codes: 0 passed, 1 failed, 2 wrong arguments or no such test, 130 interrupted.
#
# Installs what it needs first (distribution packages as root, fewer for --unit; Python packages into .venv) and
# says so. docs/development.md has more.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

usage() {
    echo "error: $1" >&2
    echo "hint: ./run-tests.sh --help" >&2
    exit 2
}

profile='test'
options=()
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help)
            sed -n '3,/^set /{/^set /d;s/^# \{0,1\}//p}' "$0"
            exit 0
            ;;
        --unit)
            profile=unit
            options+=("$1")
            ;;
        --full | --keep) options+=("$1") ;;
        --) break ;;
        *) usage "unknown argument $1" ;;
    esac
    shift
done
if [ "$profile" = unit ] && [ ${#options[@]} -gt 1 ]; then
    usage '--unit goes without --full and --keep'
fi
if [[ " $* " == *tests/unit* && ! " $* " =~ tests(/|/functional[^ ]*)?\  ]]; then
    profile=unit
fi

tools/bootstrap.sh "$profile"
PATH="$PWD/.venv/bin:$PATH"
export PATH
exec python -m tools.testrun "${options[@]}" "$@"
