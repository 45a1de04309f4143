# SPDX-License-Identifier: Apache-2.0
"""The exceptions that commands raise on purpose, each with a hint that says what to do.

``altostratus.console.run_command`` turns them into exit codes: 1 for a failure, 2 for bad input.
"""


class AltostratusError(Exception):
    """A failure that users can understand and often fix.

    ``message`` says what failed, ``hint`` (optional) what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Keep ``message`` and ``hint``; both are single paragraphs without a final newline."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(AltostratusError):
    """The user's input (file, argument, option) is invalid; nothing was changed."""

    exit_code = 2
