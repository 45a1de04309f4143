#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# devtest.sh [COMMAND] [ARGUMENT…]: a cloud in a cloud on this machine, from nothing; devtest in a fresh checkout.
#
#   ./devtest.sh                      everything: build, undercloud, load, deploy, verify (= devtest run)
#   ./devtest.sh --cloud FILE         the same with another cloud file
#   ./devtest.sh --hypervisor TYPE    the same with all roles in instances of that type: kvm, lxc, docker, ironic
#   ./devtest.sh --heat-env FILE      the same with parameters of the stack from a JSON file
#   ./devtest.sh --name NAME          the same with another undercloud beside the first one
#   ./devtest.sh status|ssh|logs|…    any command of devtest, see ./devtest.sh --help
#   ./devtest.sh destroy              remove everything but the cache
#
# Installs what it needs first (distribution packages, Python packages into .venv) and says so. Needs root.
set -eu -o pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$top/.venv/bin/python

case ${1:-} in
    -h | --help)
        [ ! -x "$python" ] || exec "$python" -P -m devtest.script "$0" --help
        sed -n '3,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    --version)
        sed -n 's/^version = "\(.*\)"$/devtest \1/p' "$top/pyproject.toml"
        exit 0
        ;;
esac
if [ "$(id -u)" -ne 0 ]; then
    echo "error: devtest.sh needs root: it mounts, makes namespaces and builds images" >&2
    echo "hint: sudo $0 ${*@Q}" >&2
    exit 1
fi
[ -x "$python" ] || echo "The first time packages are installed, which takes some minutes." >&2
"$top/tools/bootstrap.sh"
exec "$python" -P -m devtest.script "$0" "$@"
