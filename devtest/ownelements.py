# SPDX-License-Identifier: Apache-2.0
"""The user's directories of elements, kept with the undercloud for later commands.

sudo and a new shell have no ``ELEMENTS_PATH``. Without it a service of the user's would be unknown,
and an element that replaces one of ours would silently be ours again.
"""

import os
from pathlib import Path

from altostratus.files import write_text
from devtest.workspace import Workspace
from imagebuild import elementspath

FILE = "elements-path"


def recall(workspace: Workspace) -> None:
    """Use the directories of the last build unless ``ELEMENTS_PATH`` is set; say so."""
    kept = workspace.state / FILE
    if kept.is_file():
        elementspath.adopt([Path(one) for one in kept.read_text(encoding="utf-8").splitlines()])


def remember(workspace: Workspace) -> None:
    """Keep the present directories for later commands; with an empty variable, forget them."""
    kept = workspace.state / FILE
    if directories := elementspath.own():
        write_text(kept, "".join(f"{one}\n" for one in directories))
    elif elementspath.VARIABLE in os.environ:
        kept.unlink(missing_ok=True)
