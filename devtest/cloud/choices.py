# SPDX-License-Identifier: Apache-2.0
"""What the user chose for a cloud by options, kept for later commands that do not repeat them.

Without it a plain ``devtest run`` after ``devtest run --hypervisor docker`` would move every server
back. The parameters of ``--heat-env`` are kept likewise, see ``devtest.cloud.heatenv``.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from altostratus.errors import InputError
from altostratus.files import write_json
from altostratus.hypervisors import HYPERVISORS
from devtest.cloud.heatenv import HYPERVISOR, UserEnvironment
from devtest.workspace import Workspace

AS_WRITTEN = "file"
"""The value of ``--hypervisor`` that takes back an earlier one: each role's type is the file's."""

FILE = "choices.json"


@dataclass(frozen=True)
class Choices:
    """What was chosen for a cloud.

    ``hypervisor`` is a type, AS_WRITTEN or None (nothing was chosen); ``file`` the absolute path of
    its cloud file (empty: unknown).
    """

    hypervisor: str | None = None
    file: str = ""


@dataclass(frozen=True)
class Hypervisor:
    """The type of all roles (None: as the cloud file says), and what to tell the user about it.

    ``option`` is what is kept of ``--hypervisor`` for the next time. ``note`` is empty where the
    user has just given the type.
    """

    type: str | None
    option: str | None
    note: str = ""


def kept(workspace: Workspace, cloud: str) -> Choices:
    """Return what was chosen for ``cloud``. Raises InputError for a damaged file."""
    path = workspace.stacks(cloud) / FILE
    if not path.exists():
        return Choices()
    try:
        found = Choices(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path} is damaged: {error}", "remove it") from error
    if found.hypervisor not in (None, AS_WRITTEN, *HYPERVISORS):
        raise InputError(f"{path}: {found.hypervisor!r} is no hypervisor type", "remove it")
    return found


def keep(workspace: Workspace, cloud: str, choices: Choices) -> None:
    """Keep ``choices`` for later commands about ``cloud``."""
    write_json(workspace.stacks(cloud) / FILE, asdict(choices))


def hypervisor(
    option: str | None, given: UserEnvironment | None, earlier: Choices, kept_env: UserEnvironment
) -> Hypervisor:
    """Return the type of all roles: the newest choice wins, and the option over the file.

    ``option`` is that of ``--hypervisor`` and ``given`` the file of ``--heat-env``, None where the
    user gives none now; ``earlier`` and ``kept_env`` are those of before.
    """
    if option:
        return Hypervisor(None if option == AS_WRITTEN else option, option)
    if given and given.hypervisor:
        return Hypervisor(given.hypervisor, None)
    if earlier.hypervisor == AS_WRITTEN:
        return Hypervisor(None, AS_WRITTEN)
    drop = f"--hypervisor {AS_WRITTEN} takes it back"
    if earlier.hypervisor:
        note = f"all roles are of type {earlier.hypervisor}, as --hypervisor said before; {drop}"
        return Hypervisor(earlier.hypervisor, earlier.hypervisor, note)
    if given is None and kept_env.hypervisor:
        where = f"{HYPERVISOR} in {kept_env.path}"
        note = f"all roles are of type {kept_env.hypervisor}, as {where} says; {drop}"
        return Hypervisor(kept_env.hypervisor, None, note)
    return Hypervisor(None, None)


def file(workspace: Workspace, cloud: str, default: Path) -> tuple[Path, str]:
    """Return the cloud file to use where the user names none, and what to tell about it.

    ``default`` is the example, a cloud called ``cloud``. If another file of a cloud of that name
    was deployed here, it is that one: the example would replace its roles. Raises InputError if it
    is gone.
    """
    earlier = kept(workspace, cloud).file
    if not earlier or Path(earlier) == default.absolute():
        return default, ""
    if not Path(earlier).is_file():
        raise InputError(
            f"the cloud {cloud} was made from {earlier}, which is gone",
            f"name its cloud file, or the example: --cloud {default}",
        )
    return Path(earlier), f"the cloud file is {earlier}, as before; another one: --cloud FILE"
