# SPDX-License-Identifier: Apache-2.0
"""Checks of elements, by ``check-elements``; what is wrong in a contract alone, E3001 ff. find."""

from altostratus.yamlfile.problems import Check

UNKNOWN_ELEMENT = Check(
    "E6001", "unknown-element", "`element-deps` names an element that is nowhere"
)
SCRIPT_NAME = Check(
    "E6002", "script-name", "A script has a name that is passed over: it must be NN-name, no dot"
)
NOT_EXECUTABLE = Check("E6003", "not-executable", "A script cannot be executed")
SHEBANG = Check("E6004", "shebang", "A script has no interpreter in its first line")
SHELL_OPTIONS = Check(
    "E6005", "shell-options", "A bash script lacks `set -e`, `set -u` or `set -o pipefail`"
)
UNSUPPLIED_KEY = Check(
    "E6006", "unsupplied-key", "A template or script uses a key that the instance does not get"
)
SECTION = Check("E6007", "section", "A section of a template is not closed, or closes nothing")
PACKAGES = Check("E6008", "packages", "`package-installs.yaml` is empty or without effect")
NOT_INSTALLED = Check(
    "E6009", "not-installed", "Templates, scripts or units without a dependency on os-config-hooks"
)
OPEN_SECRET = Check("E6010", "open-secret", "A file with a secret can be read by everybody")
UNLISTED_UNIT = Check("E6011", "unlisted-unit", "A unit of the element is not in its contract")
UNSTARTED_UNIT = Check("E6012", "unstarted-unit", "No script starts a unit of the contract")
UNMET_READ = Check("E6013", "unmet-read", "A key is read whose owner is not among the needs")
SAME_SCRIPT = Check("E6014", "same-script", "Two elements have a script of the same name")
NO_README = Check("E6015", "no-readme", "An element has no `README.rst`")
CONTROL_FILE = Check("E6016", "control-file", "A file `.oac` is not usable, or has no template")
ENCODING = Check("E6017", "not-text", "A file that must be text is not UTF-8")
DIB_LINT = Check("E6020", "dib-lint", "diskimage-builder's `dib-lint` has found something")
