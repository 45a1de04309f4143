#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# devtest.sh [COMMAND] [ARGUMENT…]: a cloud in a cloud on this machine, from nothing; devtest in a fresh checkout.
#
#   ./devtest.sh                      everything: build, undercloud, load, deploy, verify (= devtest run)
#   ./devtest.sh --cloud FILE         the same with another cloud file
#   ./devtest.sh --hypervisor TYPE    the same with all roles in instances of that type: kvm, lxc, docker, ironic
#   ./devtest.sh --heat-env FILE      the same with parameters of the stack from a JSON file
#   ./devtest.sh status|ssh|logs|…    any command of devtest, see ./devtest.sh --help
#   ./devtest.sh destroy              remove everything but the cache
#
# Installs what it needs first (distribution packages, Python packages into .venv) and says so. Needs root.
set -eu -o pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

case ${1:-} in
    -h | --help)
        [ ! -x .venv/bin/devtest ] || exec .venv/bin/devtest --help
        sed -n '3,12s/^# \{0,1\}//p' "$0"
        exit 0
        ;;
    --version)
        sed -n 's/^version = "\(.*\)"$/devtest \1/p' pyproject.toml
        exit 0
        ;;
esac
if [ "$(id -u)" -ne 0 ]; then
    echo "error: devtest.sh needs root: it mounts, makes namespaces and builds images" >&2
    echo "hint: sudo $0 $*" >&2
    exit 1
fi
tools/bootstrap.sh
case ${1:-} in
    '' | --cloud* | --hypervisor* | --heat-env*) set -- run "$@" ;;
esac
exec .venv/bin/devtest "$@"
