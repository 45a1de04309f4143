# SPDX-License-Identifier: Apache-2.0
"""The scripts of an element: hooks of the build, and what os-refresh-config runs.

Both are run by dib-run-parts (https://opendev.org/openstack/dib-utils), which passes over what is
not executable and over names with other characters than letters, digits, ``-`` and ``_``.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from altostratus.yamlfile.problems import Mark, Problem
from generator.elements import checks
from generator.elements.element import Element, top

_NAME = re.compile(r"[0-9]{2}-[A-Za-z0-9_-]+")
_OPTIONS = {
    "sete": ("set -e", re.compile(r"^set -[^ ]*e", re.MULTILINE)),
    "setu": ("set -u", re.compile(r"^set -[^ ]*u", re.MULTILINE)),
    "setpipefail": (
        "set -o pipefail",
        re.compile(r"^set (-o|-[a-z]*o) pipefail|^set .* -o pipefail", re.MULTILINE),
    ),
}
"""dib-lint's rules by the names that switch them off in a script."""
_OFF = re.compile(r"^# dib-lint: disable=(.*)$", re.MULTILINE)


def check(element: Element) -> Iterator[Problem]:
    """Yield what keeps a script of ``element`` from being run, or from failing when it should."""
    for path in element.files:
        place = element.relative(path).parts
        is_hook = len(place) == 2 and place[0].endswith(".d") and place[0] != "environment.d"
        is_refresh = place[0] == "os-refresh-config" and len(place) > 2
        if is_hook or is_refresh:
            yield from _run_part(path)
        if (text := read(path)) is not None and text.startswith("#!/bin/bash"):
            yield from _shell(path, text)
    yield from _same_names(element)


def read(path: Path) -> str | None:
    """Return the text of the file ``path``; None if it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def _run_part(path: Path) -> Iterator[Problem]:
    if not _NAME.fullmatch(path.name):
        message = f"'{path.name}' is never run: a script is called NN-name, without a dot"
        yield checks.SCRIPT_NAME.at(top(path), message, "rename it, such as 50-name")
    if not os.access(path, os.X_OK):
        message = "the script is never run: it is not executable"
        yield checks.NOT_EXECUTABLE.at(top(path), message, f"chmod +x {path}")
    with path.open("rb") as stream:
        if stream.read(2) not in (b"#!", b"\x7fE"):
            message = "the first line names no interpreter"
            yield checks.SHEBANG.at(top(path), message, "begin with #!/bin/bash")


def _shell(path: Path, text: str) -> Iterator[Problem]:
    off = {word for match in _OFF.finditer(text) for word in match[1].split()}
    missing = [
        option
        for rule, (option, pattern) in _OPTIONS.items()
        if rule not in off and not pattern.search(text)
    ]
    if missing:
        message = f"bash without {', '.join(missing)} goes on after a failure"
        hint = "write 'set -eu' and 'set -o pipefail' below the comment at the top"
        yield checks.SHELL_OPTIONS.at(top(path), message, hint)


def _same_names(element: Element) -> Iterator[Problem]:
    """Yield scripts of os-refresh-config that another element has as well: one replaces the other.

    An image can hold both elements, whether one depends on the other or not.
    """
    for path in element.below("os-refresh-config"):
        inner = element.relative(path)
        for name, folder in element.folders.items():
            if name != element.name and (folder / inner).is_file():
                message = f"the element {name} has {inner}, too: one replaces the other"
                hint = "call it by the name of this element, such as 50-" + element.name
                yield checks.SAME_SCRIPT.at(Mark(str(path), 1, 1), message, hint)
