# SPDX-License-Identifier: Apache-2.0
"""collect_contracts.py HOOKS: what a build takes from the contracts (service.yaml) of its elements.

Runs outside the image, in diskimage-builder's own Python, and writes below its hooks directory::

    units                                 "UNIT.service", one a line, for post-install.d
    static/usr/share/altostratus/health   "PORT PATH NAME", one check a line, for the instance
    static/usr/share/altostratus/public   "PORT", public ports (numbers or metadata keys), likewise

diskimage-builder gives the directories of the elements in IMAGE_ELEMENT_YAML.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

FIELDS = ("endpoint", "health", "listens", "units")
"""The fields of a contract that end up in an image; build-images builds anew when they change."""


def collect(elements: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return FIELDS of the contracts of ``elements`` (directories by name), by name."""
    paths = [Path(elements[name], "service.yaml") for name in sorted(elements)]
    contracts = [yaml.safe_load(path.read_text("utf-8")) for path in paths if path.exists()]
    return [{field: each.get(field, ()) for field in FIELDS} for each in contracts]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write ``lines`` to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def main(hooks: Path) -> int:
    """Write the lists below ``hooks``."""
    found = collect(yaml.safe_load(os.environ["IMAGE_ELEMENT_YAML"]))
    units = sorted({f"{unit}.service" for each in found for unit in each["units"]})
    checks = [check for each in found for check in each["health"]]
    health = [f"{check['port']} {check.get('path', '/')} {check['name']}" for check in checks]
    listeners = [one for each in found for one in each["listens"] if one["scope"] == "public"]
    endpoints = [each["endpoint"] for each in found if each["endpoint"]]
    public = sorted({str(one["port"]) for one in (*endpoints, *listeners)})
    write_lines(hooks / "units", units)
    write_lines(hooks / "static/usr/share/altostratus/public", public)
    write_lines(hooks / "static/usr/share/altostratus/health", health)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
