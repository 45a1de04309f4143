# SPDX-License-Identifier: Apache-2.0
"""Pins the wheels of the elements by digest: ``python -m tools.wheelhashes``.

Each ``elements/*/wheelhouse/NAME.txt`` lists packages with exact versions. This writes beneath each
of them the SHA-256 of its wheels for all releases and architectures, as the package index that pip
is configured for gives them. pip then takes no other file (``--require-hashes``). Run it after a
version was changed.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from altostratus import datafiles, files, process

PYTHONS = ("3.11", "3.13")
"""Python of the releases that the element wheelhouse knows."""
MACHINES = ("x86_64", "aarch64")

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
_OPTIONS = ("--quiet", "--disable-pip-version-check", "--dry-run", "--ignore-installed")
_WHEELS = ("--no-deps", "--only-binary", ":all:", "--implementation", "cp")


def lists() -> list[Path]:
    """Return the requirements files of the elements."""
    return sorted(datafiles.elements_path().glob("*/wheelhouse/*.txt"))


def without_hashes(text: str) -> str:
    """Return the requirements file ``text`` as a person writes it."""
    return re.sub(r" *\\\n +--hash=\S+", "", text)


def with_hashes(text: str, hashes: Mapping[str, Iterable[str]]) -> str:
    """Return the requirements file ``text`` with ``hashes`` (SHA-256 by "NAME==VERSION")."""

    def line(found: re.Match[str]) -> str:
        digests = (f" \\\n    --hash=sha256:{value}" for value in sorted(hashes[found[0]]))
        return f"{found[0]}{''.join(digests)}"

    lines = without_hashes(text).splitlines()
    done = [one if one.startswith("#") else _REQUIREMENT.sub(line, one) for one in lines]
    return "\n".join(done) + "\n"


def ask_index(path: Path) -> dict[str, set[str]]:
    """Return the SHA-256 of the wheels that the list ``path`` means, by "NAME==VERSION".

    Raises CommandError if the index lacks one of them.
    """
    text = without_hashes(path.read_text(encoding="utf-8"))
    wanted = {_normal(found[1]): found[0] for found in _requirements(text)}
    hashes: dict[str, set[str]] = {name: set() for name in wanted.values()}
    with tempfile.TemporaryDirectory() as directory:
        bare = Path(directory, "bare.txt")
        bare.write_text(text, encoding="utf-8")
        for python in PYTHONS:
            for machine in MACHINES:
                for item in _report(bare, python, machine):
                    archive = item["download_info"]["archive_info"]
                    name = wanted[_normal(item["metadata"]["name"])]
                    hashes[name].add(archive["hashes"]["sha256"])
    return hashes


def _requirements(text: str) -> Iterator[re.Match[str]]:
    for line in text.splitlines():
        if found := _REQUIREMENT.match(line):
            yield found


def _report(path: Path, python: str, machine: str) -> list[dict[str, Any]]:
    platforms = [f"manylinux2014_{machine}", f"manylinux_2_28_{machine}"]
    command = [sys.executable, "-m", "pip", "install", *_OPTIONS, *_WHEELS]
    command += [f"--platform={platform}" for platform in platforms]
    command += ["--python-version", python, "--target", str(path.parent / "target")]
    command += ["--report", "-", "--requirement", str(path)]
    found: list[dict[str, Any]] = json.loads(process.run(command).stdout)["install"]
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def main(argv: Sequence[str] | None = None) -> int:
    """Write the digests into all lists."""
    for path in lists():
        text = path.read_text(encoding="utf-8")
        files.write_text(path, with_hashes(text, ask_index(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
