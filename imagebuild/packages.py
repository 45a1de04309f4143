# SPDX-License-Identifier: Apache-2.0
"""The packages in an image, for the lists inside and beside it."""

import email.parser
from pathlib import Path
from typing import Any

from altostratus import process

INSIDE = Path("usr/share/altostratus/packages.json")
"""Where the list is in the image."""

_FIELDS = ("Package", "Version", "Architecture", "source:Package", "source:Version")
_KEYS = ("name", "version", "architecture", "source", "source_version")


def list_packages(root: Path) -> list[dict[str, Any]]:
    """Return every package in the directory ``root``, sorted by type and name.

    Distribution packages have type ``deb``; those installed by pip have type ``pypi`` and a path.
    """
    return _distribution_packages(root) + _python_packages(root)


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
