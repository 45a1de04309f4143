# SPDX-License-Identifier: Apache-2.0
"""Which state directory owns a container name.

The network namespace, the link and the cgroups of a name exist once on a machine.
Several state directories may describe a container of the same name; one at a time has it on the
machine. The record is a symbolic link, named as the container, to that state directory. It goes
with a reboot, as does everything that it stands for.
"""

import contextlib
from pathlib import Path

RECORDS = Path("/run/altostratus")


def of(name: str) -> Path | None:
    """Return the state directory of the container that has ``name``, None when nobody has it."""
    try:
        return (RECORDS / name).readlink()
    except FileNotFoundError:
        return None


def below(directory: Path) -> dict[str, Path]:
    """Return the state directories of containers by name that are, or were, below ``directory``."""
    entries = sorted(RECORDS.iterdir()) if RECORDS.is_dir() else []
    states = {entry.name: entry.readlink() for entry in entries}
    return {name: state for name, state in states.items() if state.is_relative_to(directory)}


def take(name: str, state: Path) -> None:
    """Record that the container with this state has ``name``.

    Raises FileExistsError when somebody has it.
    """
    RECORDS.mkdir(exist_ok=True)
    (RECORDS / name).symlink_to(state)


def release(name: str, state: Path) -> None:
    """Remove the record if it leads to ``state``."""
    if of(name) == state:
        (RECORDS / name).unlink()
    # Other containers may have theirs.
    with contextlib.suppress(OSError):
        RECORDS.rmdir()
