# SPDX-License-Identifier: Apache-2.0
"""The directory that generate-stacks writes to: what differs in it, and what is removed from it.

The file RECORD lists the files that were written here. Nothing else is ever removed: the user may
keep other files in the directory.
"""

import difflib
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


def difference(path: Path, files: Mapping[str, File], out: Path) -> str:
    """Return what is not as in ``files`` about ``path``, one of those that ``stale`` has returned.

    Words that follow the name of the file: "is missing", "differs", "has mode 0644, not 0600".
    """
    file = files.get(str(path.relative_to(out)))
    if file is None:
        return "is left from an earlier run"
    if not path.is_file():
        return "is missing" if not path.exists() else "is no file"
    if path.read_bytes() != file.text.encode():
        return "differs"
    return f"has mode {stat.S_IMODE(path.stat().st_mode):04o}, not {file.mode:04o}"


def lines_changed(path: Path, files: Mapping[str, File], out: Path) -> str:
    """Return what ``update`` would change in ``path``, as ``diff -u`` does.

    Empty for a file that only its owner may read, and for one that would be new or removed.
    """
    file = files.get(str(path.relative_to(out)))
    if file is None or file.mode & 0o077 == 0 or not path.is_file():
        return ""
    # What is there may be anything.
    old, new = path.read_text("utf-8", "replace"), file.text
    names = (str(path), f"{path} (new)")
    lines = difflib.unified_diff(old.splitlines(), new.splitlines(), *names, lineterm="", n=1)
    return "".join(f"{line}\n" for line in lines)


def _recorded(out: Path) -> set[str]:
    path = out / names.RECORD
    return set(path.read_text("utf-8", "replace").splitlines()) if path.is_file() else set()


def _is_same(path: Path, file: File) -> bool:
    if not path.is_file() or stat.S_IMODE(path.stat().st_mode) != file.mode:
        return False
    return path.read_bytes() == file.text.encode()
