# SPDX-License-Identifier: Apache-2.0
"""The directory that generate-stacks writes to: what differs in it, and what is removed from it.

The file RECORD lists the files that were written here. Nothing else is ever removed: the user may
keep other files in the directory.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

from altostratus.files import write_text
from generator import heat
from generator.output import names
from generator.output.render import MARK, File


def stale(files: Mapping[str, File], out: Path) -> list[Path]:
    """Return the paths in ``out`` that are missing, differ, or are left from an earlier run."""
    different = [out / name for name, file in files.items() if not _is_same(out / name, file)]
    patterns = ("*.yaml", heat.server_template("*"), names.metadata("*"), names.parameter("*"))
    left = {str(path.relative_to(out)) for pattern in patterns for path in out.glob(pattern)}
    return different + [out / name for name in sorted((left & _recorded(out)) - files.keys())]


def update(files: Mapping[str, File], out: Path) -> list[Path]:
    """Sync ``out`` with ``files``, delete files from earlier runs, return the changed paths."""
    changed = stale(files, out)
    for path in changed:
        if str(path.relative_to(out)) not in files:
            path.unlink()
    # A file that is there already, with the same content, may be the user's own.
    written = {str(path.relative_to(out)) for path in changed} | _recorded(out)
    record = "".join(f"{name}\n" for name in sorted(written & files.keys()))
    if changed:
        write_text(out / names.RECORD, f"# {MARK}, which may remove these files again.\n{record}")
    for name, file in files.items():
        if out / name in changed:
            write_text(out / name, file.text, file.mode)
    return changed


def _recorded(out: Path) -> set[str]:
    path = out / names.RECORD
    return set(path.read_text("utf-8", "replace").splitlines()) if path.is_file() else set()


def _is_same(path: Path, file: File) -> bool:
    if not path.is_file() or stat.S_IMODE(path.stat().st_mode) != file.mode:
        return False
    return path.read_bytes() == file.text.encode()
