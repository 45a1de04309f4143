# SPDX-License-Identifier: Apache-2.0
"""Runs the project's own commands, as a user would: what devtest does can be done by hand."""

import sys
from collections.abc import Sequence
from pathlib import Path

from altostratus.errors import AltostratusError
from altostratus.process import CommandError, run


def tool(
    module: str,
    arguments: Sequence[str | Path],
    environment: dict[str, str] | None = None,
    *,
    results: bool = True,
) -> None:
    """Run the command in ``module``, such as ``imagebuild.build``; its messages go to our stderr.

    So do its results, unless ``results`` is False. ``environment`` is added to ours. Raises
    AltostratusError, which does not repeat the messages.
    """
    # When devtest is killed, the command gets SIGTERM and cleans up.
    dying = ["setpriv", "--pdeathsig", "TERM"]
    command: list[str | Path] = [*dying, sys.executable, "-m", module, *arguments]
    try:
        run(command, env=environment, capture=False, results=results)
    except CommandError as error:
        if error.returncode is None:
            raise
        raise AltostratusError(f"{module} failed", "its messages are above") from error
