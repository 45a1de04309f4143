# SPDX-License-Identifier: Apache-2.0
"""The exceptions that commands raise on purpose, each with a hint that says what to do.

``altostratus.console.run_command`` turns them into exit codes: 1 for a failure, 2 for bad input.
"""


def printable(text: str, spared: str = "\n\t") -> str:
    """Return ``text`` with what a terminal would obey, or not show, as escapes.

    Those are control characters (ESC, C1), controls of the writing direction, spaces other than the
    ordinary one, halves of surrogate pairs: all but what ``str.isprintable`` takes for printable,
    and the characters ``spared``.
    """
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() or one in spared else one.encode("unicode_escape").decode()
        for one in text
    )


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
