# SPDX-License-Identifier: Apache-2.0
"""The files that diskimage-builder reads: dependencies, packages, README."""

from collections.abc import Iterator

from altostratus.yamlfile import document
from altostratus.yamlfile.problems import InvalidInputError, Mark, Problem, Report, nearest
from generator.contracts import element_deps
from generator.elements import checks
from generator.elements.element import Element, top

# The element that installs the data folders of all elements, and these folders.
HOOKS = "os-config-hooks"
DATA = ("os-apply-config", "os-refresh-config", "systemd", "static")
INSTALLER = "package-installs"
# What elements provide that are none themselves: any operating system's.
_VIRTUAL = frozenset({"operating-system"})


def check(element: Element) -> Iterator[Problem]:
    """Yield what diskimage-builder would stumble over in ``element``, or pass over."""
    if not (element.folder / "README.rst").is_file():
        hint = "say in it what the element does; dib-lint wants one, too"
        yield checks.NO_README.at(Mark(str(element.folder), 1, 1), "no README.rst", hint)
    yield from _dependencies(element)
    yield from _packages(element)
    if element.name != HOOKS and HOOKS not in element.closure:
        # diskimage-builder's install-static and TripleO's os-apply-config install one folder each.
        others = [one for one in DATA if not {one, f"install-{one}"} & {*element.closure}]
        for path in element.below(*others)[:1]:
            folder = element.relative(path).parts[0]
            message = f"{folder}/ is not installed: {element.name} does not depend on {HOOKS}"
            yield checks.NOT_INSTALLED.at(top(path), message, f"add {HOOKS} to element-deps")


def _dependencies(element: Element) -> Iterator[Problem]:
    path = element.folder / "element-deps"
    for name, line in element_deps(element.folder):
        if name not in element.folders and name not in _VIRTUAL:
            message = f"there is no element '{name}'"
            yield checks.UNKNOWN_ELEMENT.at(
                Mark(str(path), line, 1), message, nearest(name, element.folders)
            )


def _packages(element: Element) -> Iterator[Problem]:
    path = element.folder / "package-installs.yaml"
    if not path.is_file():
        return
    report = Report()
    try:
        root = document.load(path, report)
    except InvalidInputError as error:
        yield from error.problems
        return
    yield from report.problems
    if not isinstance(root.value, dict) or not root.fields:
        hint = "write one 'PACKAGE:' on each line, or remove the file"
        yield checks.PACKAGES.at(root.mark, "no packages", hint)
    if INSTALLER not in element.closure:
        message = f"nothing is installed: {element.name} does not depend on {INSTALLER}"
        yield checks.PACKAGES.at(root.mark, message, f"add {INSTALLER} to element-deps")
