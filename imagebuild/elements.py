# SPDX-License-Identifier: Apache-2.0
"""diskimage-builder elements: search path, dependencies, files."""

import difflib
import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from altostratus import datafiles
from altostratus.errors import InputError
from altostratus.yamlfile import document
from altostratus.yamlfile.problems import Report
from imagebuild import elementfiles, elementspath
from imagebuild.elementfiles import CONTRACT

EVERY_LAYER = frozenset(
    {
        "cache-url",
        "dib-init-system",
        "dib-python",
        "dpkg",
        "install-bin",
        "install-static",
        "install-types",
        "manifests",
        "modprobe",
        "package-installs",
        "pkg-map",
        "source-repositories",
        "svc-map",
    }
)
"""Elements of diskimage-builder that act on the files of the other elements in the same run."""

MARKER = "every-layer"
"""An element with an (empty) file of this name belongs to EVERY_LAYER too."""

PACKAGES = "project-packages"
"""A file of this name lists the Python packages of this project that an element installs."""

CONTRACT_FIELDS = ("endpoint", "health", "listens", "units")
"""The fields of contracts that the element os-config-hooks builds into an image."""


def search_path() -> list[Path]:
    """Return the directories to search for elements, first match first, each once.

    ``ELEMENTS_PATH`` (as diskimage-builder knows it) comes before the project's elements, and these
    before diskimage-builder's. Raises InputError as ``elementspath.own``.
    """
    import diskimage_builder.paths

    theirs = Path(diskimage_builder.paths.get_path("elements"))
    return elementspath.unique([*elementspath.own(), datafiles.elements_path(), theirs])


def closure(names: Iterable[str], path: Sequence[Path]) -> dict[str, Path]:
    """Return ``names`` and all elements that they need, as diskimage-builder resolves them.

    Raises InputError when an element does not exist, is provided twice, or none of them provides an
    operating system.
    """
    from diskimage_builder import element_dependencies

    # It warns whenever an element hides another one, which is the purpose of ELEMENTS_PATH.
    logging.getLogger("diskimage_builder").setLevel(logging.ERROR)
    wanted = list(names)
    try:
        found = element_dependencies.get_elements(wanted, ":".join(map(str, path)))
    except element_dependencies.MissingElementException as error:
        raise _missing(wanted, path, str(error)) from error
    except element_dependencies.InvalidElementDir as error:
        raise InputError(str(error).strip(), "correct ELEMENTS_PATH") from error
    except (
        element_dependencies.AlreadyProvidedException,
        element_dependencies.MissingOSException,
    ) as error:
        reason = str(error) or "an element is listed although another one provides it"
        raise InputError(f"elements {', '.join(wanted)} do not fit together: {reason}") from error
    return {name: Path(directory) for name, directory in sorted(found)}


def runs_in_every_layer(name: str, directory: Path) -> bool:
    """Return whether an element must run again in a layer on top of one that contains it."""
    return name in EVERY_LAYER or (directory / MARKER).exists()


def project_packages(elements: Mapping[str, Path]) -> dict[str, Path]:
    """Return the Python packages of this project that ``elements`` install, with directories."""
    lists = (where / PACKAGES for where in elements.values())
    names = {name for each in lists if each.exists() for name in each.read_text().split()}
    return {name: datafiles.packages_path() / name for name in sorted(names)}


def file_digests(elements: Mapping[str, Path]) -> dict[str, str]:
    """Return ``element/file`` → digest of all files of ``elements`` that can influence a build.

    Of a contract, only CONTRACT_FIELDS count. Raises InvalidInputError if one is not YAML, and
    InputError that names all files that cannot be read.
    """
    found: dict[str, str] = {}
    problems: list[InputError] = []
    for name, directory in elements.items():
        try:
            digests = elementfiles.digests(directory)
        except InputError as error:
            problems.append(error)
        else:
            found |= {f"{name}/{path}": digest for path, digest in digests.items()}
    if problems:
        raise InputError("\n".join(error.message for error in problems), problems[0].hint)
    return found | {
        f"{name}/{CONTRACT}": digest
        for name, directory in elements.items()
        if (directory / CONTRACT).is_file() and (digest := _contract_digest(directory / CONTRACT))
    }


def _contract_digest(path: Path) -> str | None:
    """Return the digest of the CONTRACT_FIELDS of the contract ``path``; None if it has none."""
    report = Report()
    fields = document.load(path, report).fields
    report.raise_if_any()
    built = {name: fields[name].plain() for name in CONTRACT_FIELDS if name in fields}
    if not built:
        return None
    return hashlib.sha256(json.dumps(built, sort_keys=True).encode()).hexdigest()[:40]


def _missing(wanted: Sequence[str], path: Sequence[Path], message: str) -> InputError:
    """Return the error that names every missing element, one per line.

    diskimage-builder's ``message`` names only the first, possibly one that another depends on.
    """
    names = {entry.name for directory in path for entry in directory.iterdir() if entry.is_dir()}
    missing = [name for name in wanted if name not in names] or [message.split("'")[1]]
    lines = [f"there is no element {name}{_nearest(name, names)}" for name in missing]
    return InputError("\n".join(lines), elementspath.lost_hint())


def _nearest(name: str, names: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(names), n=1)
    return f"; did you mean {close[0]}?" if close else ""
