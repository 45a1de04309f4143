#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# bootstrap.sh [PROFILE]: install what this checkout needs, and nothing twice.
#
# Distribution packages come from bindep.txt (PROFILE, as bindep has it: test or unit), Python packages
# from pyproject.toml, pinned by constraints.txt, into .venv. Says what it installs before it does.
set -eu -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
profile=${1:-}
python=${PYTHON:-python3}
cd "$top"

wanted() {
    sed -e '/^#/d' -e '/^$/d' bindep.txt | tr -d '[]' | while read -r name _ profiles; do
        case " $profiles " in
            *" !${profile:-none} "*) continue ;;
            '  ' | *" $profile "* | *' !'*) echo "$name" ;;
        esac
    done
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed() {
    tail -n 20 "$log" >&2
    trap - EXIT
    echo "error: $1 failed; the whole log is in $log" >&2
    exit 1
}

missing=()
for package in $(wanted); do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "error: missing packages: ${missing[*]}" >&2
        echo "hint: run this as root, or: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    echo "Installing distribution packages: ${missing[*]}" >&2
    if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
        "${missing[@]}"; } >"$log" 2>&1; then
        failed apt-get
    fi
fi

wish=$(cat pyproject.toml setup.py constraints.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/.bootstrap 2>/dev/null)" != "$wish" ]; then
    echo "Installing Python packages into .venv (pinned in constraints.txt)" >&2
    {
        "$python" -m venv .venv &&
            .venv/bin/pip install -q -c constraints.txt -e '.[client,test]'
    } >"$log" 2>&1 || failed pip
    echo "$wish" > .venv/.bootstrap
fi
