# SPDX-License-Identifier: Apache-2.0
"""Takes back what was done in a running cloud when what follows fails or is interrupted."""

import contextlib
from collections.abc import Callable, Iterator

from altostratus.errors import AltostratusError


@contextlib.contextmanager
def undone(what: str, undo: Callable[[], object]) -> Iterator[None]:
    """Call ``undo`` if the body raises, Ctrl-C included, and let the exception pass.

    ``what`` says what remains if ``undo`` fails, too: AltostratusError is raised with it then.
    """
    try:
        yield
    except BaseException as error:
        try:
            undo()
        except Exception as failure:
            message = f"{_text(error)}; moreover, {what}, as undoing failed: {_text(failure)}"
            raise AltostratusError(message, getattr(error, "hint", None)) from error
        raise


def _text(error: BaseException) -> str:
    return str(error) or type(error).__name__
