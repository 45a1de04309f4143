#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check.sh STAGE: one stage of the tests, with the tools that are on PATH.
#
#   lint        ruff, shellcheck and dib-lint
#   types       mypy in strict mode
#   unit        the fast tests: no root, no network, no services
#   functional  the tests on real services: a built undercloud, Nova, Glance, Neutron and Heat (root)
#
# run-tests.sh and tox both call this, so that they cannot drift apart.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
stage=${1:?one of lint, types, unit, functional}
shift

shell_files() {
    git ls-files --cached --others --exclude-standard | while read -r file; do
        [ -f "$file" ] || continue
        read -r first <"$file" || continue
        case $first in
            '#!/bin/bash'* | '#!/bin/sh'* | '#!/usr/bin/env bash'* | '# shellcheck shell='*) echo "$file" ;;
        esac
    done
}

# Python inside elements, which is in no package.
element_programs() {
    git ls-files --cached --others --exclude-standard elements | while read -r file; do
        [ -f "$file" ] || continue
        read -r first <"$file" || continue
        case $file:$first in
            *.py:* | *:'#!'*python*) echo "$file" ;;
        esac
    done
}

# A session of its own with a third of another's share of the processors (sched(7), autogroups): the longer tests go first.
behind='[ ! -w /proc/self/autogroup ] || echo 5 > /proc/self/autogroup; exec "$@"'

# The functional tests in half the time: what is tested without a cloud computes while the undercloud waits.
functional() {
    failed=0
    # It compares the whole machine, test by test: alone.
    pytest tests/functional/test_devtest_container.py || failed=1
    log=$(mktemp)
    echo "The tests of images run beside the others; what they say follows at the end (meanwhile: $log)"
    # A shell's background jobs would ignore Ctrl-C, upon which fixtures undo what they did.
    env --default-signal=INT setsid bash -c "$behind" - pytest tests/functional/images --durations=10 > "$log" 2>&1 &
    images=$!
    trap 'kill -INT "$images" 2> /dev/null || :; wait "$images" || :; rm -f "$log"' EXIT
    pytest tests/functional --ignore=tests/functional/images \
        --ignore=tests/functional/test_devtest_container.py --durations=30 || failed=1
    wait "$images" || failed=1
    cat "$log"
    return "$failed"
}

case $stage in
    lint)
        ruff format --check .
        ruff check .
        # ruff finds programs by their suffix.
        element_programs | grep -v '[.]py$' | xargs -r ruff format --check
        element_programs | grep -v '[.]py$' | xargs -r ruff check
        shell_files | xargs -r shellcheck --external-sources
        ELEMENTS_DIR=elements LIB_DIR=elements dib-lint
        ;;
    types)
        mypy
        element_programs | xargs -r mypy --scripts-are-modules
        ;;
    unit)
        pytest tests/unit --numprocesses=auto "$@"
        ;;
    functional)
        if [ $# -gt 0 ]; then
            pytest tests/functional "$@"
        else
            functional
        fi
        ;;
    *)
        echo "error: no stage $stage" >&2
        echo "hint: one of lint, types, unit, functional" >&2
        exit 2
        ;;
esac
