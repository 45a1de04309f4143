#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# check.sh STAGE [PYTEST-ARGUMENT...]: one stage of the tests, with the tools that are on PATH.
#
#   lint        ruff, shellcheck and dib-lint
#   types       mypy in strict mode
#   unit        the fast tests: no root, no network, no services
#   functional  all tests on real services: a built undercloud, Nova, Glance, Neutron and Heat (root)
#
# tools/testrun.py (run-tests.sh) and tox both call this, so that they cannot drift apart.
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

case $stage in
    lint)
        ruff format --check .
        ruff check .
        # ruff finds programs by their suffix.
        element_programs | grep -v '[.]py$' | xargs -r ruff format --check
        element_programs | grep -v '[.]py$' | xargs -r ruff check
        shell_files | xargs -r shellcheck --external-sources
        # It prints a line for each file that it looks at.
        ELEMENTS_DIR=elements LIB_DIR=elements dib-lint | sed '/^Checking /d'
        ;;
    types)
        mypy
        element_programs | xargs -r mypy --scripts-are-modules
        ;;
    unit)
        exec python -m tools.testrun -- tests/unit "$@"
        ;;
    functional)
        exec python -m tools.testrun -- tests/functional "$@"
        ;;
    *)
        echo "error: no stage $stage" >&2
        echo "hint: one of lint, types, unit, functional" >&2
        exit 2
        ;;
esac
