# SPDX-License-Identifier: Apache-2.0
"""The packages in an image, for the lists inside and beside it."""

import email.parser
from pathlib import Path
from typing import Any

from altostratus import files, process

INSIDE = Path("usr/share/altostratus/packages.json")
"""Where the list is in the image."""

_FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version")
_KEYS = ("name", "version", "architecture", "source", "source_version")


def list_packages(root: Path) -> list[dict[str, Any]]:
    """Return every package in the directory ``root``, sorted by type and name.

    Distribution packages have type ``deb``; those installed by pip have type ``pypi`` and a path.
    """
    return _distribution_packages(root) + _python_packages(root)


def write_inside(root: Path, key: str, listed: list[dict[str, Any]]) -> None:
    """Write INSIDE in the directory ``root``: the content ``key`` of the image, and ``listed``."""
    for parent in reversed(INSIDE.parents):
        if not (root / parent).exists():
            (root / parent).mkdir()
            # Whatever the umask is.
            (root / parent).chmod(0o755)
    files.write_json(root / INSIDE, {"key": key, "packages": listed})


def changes(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """Return in words which packages of two lists differ, sorted: ``libssl3 3.0.15 → 3.0.16``."""
    before, after = _versions(old), _versions(new)
    words = []
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            words.append(f"{name} {after[name]} is new")
        elif name not in after:
            words.append(f"{name} {before[name]} is gone")
        elif before[name] != after[name]:
            words.append(f"{name} {before[name]} → {after[name]}")
    return words


def _versions(listed: list[dict[str, Any]]) -> dict[str, str]:
    """Return versions by name; the same package may be in several places, or architectures."""
    found: dict[str, set[str]] = {}
    for package in listed:
        found.setdefault(str(package["name"]), set()).add(str(package["version"]))
    return {name: ", ".join(sorted(versions)) for name, versions in found.items()}


def _distribution_packages(root: Path) -> list[dict[str, Any]]:
    database = root / "var/lib/dpkg"
    if not (database / "status").exists():
        return []
    form = "\t".join(f"${{{field}}}" for field in ("db:Status-Abbrev", *_FIELDS)) + "\n"
    output = process.run(["dpkg-query", f"--admindir={database}", "-W", f"-f={form}"]).stdout
    rows = sorted(line.split("\t") for line in output.splitlines() if line.startswith("ii"))
    return [{"type": "deb", **dict(zip(_KEYS, row[1:], strict=True))} for row in rows]


def _python_packages(root: Path) -> list[dict[str, Any]]:
    found = []
    for tree in ("opt", "usr/local"):
        for metadata in sorted((root / tree).glob("**/*.dist-info/METADATA")):
            text = metadata.read_text(encoding="utf-8", errors="replace")
            header = email.parser.HeaderParser().parsestr(text)
            place = "/" + str(metadata.parent.parent.relative_to(root))
            found.append(
                {
                    "type": "pypi",
                    "name": header["Name"],
                    "version": header["Version"],
                    "path": place,
                }
            )
    return found
