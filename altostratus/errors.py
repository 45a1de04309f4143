# SPDX-License-Identifier: Apache-2.0
"""The exceptions that the tools raise on purpose, each with a hint for the person who reads it.

``altostratus.console.run_command`` turns them into exit codes: 1 for what failed, 2 for bad input.
"""


class AltostratusError(Exception):
    """Something failed that the user can understand and often mend.

    ``message`` says what failed, ``hint`` (optional) what to do about it.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        """Keep ``message`` and ``hint``; both are single paragraphs without a final newline."""
        super().__init__(message)
        self.message = message
        self.hint = hint


class InputError(AltostratusError):
    """The user's input (file, argument, option) is wrong; nothing was done."""

    exit_code = 2
