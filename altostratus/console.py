# SPDX-License-Identifier: Apache-2.0
"""What all commands have in common: options, exit codes, error messages, progress.

Standard output carries results only; messages and progress go to standard error.
Exit codes: 0 success, 1 failure, 2 bad input (argparse's too), 130 interrupted (SIGINT or SIGTERM).
"""

import argparse
import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn

from altostratus import live
from altostratus.errors import AltostratusError, printable

INTERRUPTED = 130
SHELLS = ("bash", "zsh", "tcsh")

logger = logging.getLogger(__name__)


class CommandParser(argparse.ArgumentParser):
    """An argument parser that reports errors in the same form as the commands."""

    def error(self, message: str) -> NoReturn:
        """Print the usage, ``message`` and a hint on standard error, and exit with 2."""
        self.print_usage(sys.stderr)
        self.exit(2, f"error: {printable(message, '')}\nhint: see {self.prog} --help\n")


class _Version(argparse.Action):
    """Prints the version. argparse's own action would need it, and a file read, on every start."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        from altostratus.version import version

        print(parser.prog, version())
        parser.exit()


class _Print(argparse.Action):
    """Prints what ``altostratus.manuals`` makes of the parser: a completion, the manual page."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> NoReturn:
        from altostratus import manuals

        print(manuals.completion(parser, str(values)) if values else manuals.page(parser), end="")
        parser.exit()


def parse_arguments(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None
) -> argparse.Namespace:
    """Add the options that every command has to ``parser``, and parse ``argv``.

    They are ``--debug``, ``-q/--quiet``, ``--version``, ``--print-completion`` and
    ``--print-manual``. None stands for the process's own arguments.
    """
    parser.add_argument("--debug", action="store_true", help="show debug messages and tracebacks")
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="no progress, warnings and errors only"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    parser.add_argument(
        "--print-completion",
        action=_Print,
        choices=SHELLS,
        metavar="SHELL",
        help=f"print the completion for a shell ({', '.join(SHELLS)}) and exit",
    )
    manual = "print the manual page and exit"
    parser.add_argument("--print-manual", action=_Print, nargs=0, help=manual)
    return parser.parse_args(argv)


def run_command(
    main: Callable[[argparse.Namespace], int | None],
    parser: argparse.ArgumentParser,
    argv: Sequence[str] | None,
) -> int:
    """Parse ``argv`` (see ``parse_arguments``), call ``main`` and return the exit code.

    An AltostratusError is printed with its hint; a traceback appears with ``--debug`` only.
    SIGTERM unwinds the program as Ctrl-C does.
    """
    args = parse_arguments(parser, argv)
    _set_up_logging(args.debug, args.quiet)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _interrupt)
    try:
        return main(args) or 0
    except AltostratusError as error:
        _report(error, error.message, error.hint)
        return error.exit_code
    except KeyboardInterrupt as error:
        _report(error, "interrupted", None)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone: "Note on SIGPIPE" in Python's signal documentation.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _report(error, _describe(error), None)
        return 1
    except Exception as error:
        _report(error, f"internal error: {type(error).__name__}: {error}", "--debug shows where")
        return 1


def _set_up_logging(debug: bool, quiet: bool) -> None:
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Printable("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for package in ("altostratus", "imagebuild", "generator", "setupcloud", "devtest", "__main__"):
        logging.getLogger(package).setLevel(level)


class _Printable(logging.Formatter):
    """Formats records, with what a terminal would obey as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _describe(error: OSError) -> str:
    paths = [
        printable(os.fsdecode(path), "")
        for path in (error.filename, error.filename2)
        if isinstance(path, str | bytes | os.PathLike)
    ]
    return ": ".join([*([" to ".join(paths)] if paths else []), error.strerror or str(error)])


def _report(error: BaseException, message: str, hint: str | None) -> None:
    logger.debug("", exc_info=error)
    print(f"error: {printable(message)}", file=sys.stderr)
    if hint:
        print(f"hint: {printable(hint)}", file=sys.stderr)


class Progress:
    """Reports each step and its duration on standard error.

    ``steps`` collects (name, seconds) of every finished step, in the order in which they finished.
    Steps may run in several threads at once: each is then one line, written when it ends. On a
    terminal, what is at work is shown below with its time so far.
    """

    def __init__(self, quiet: bool = False) -> None:
        """Print nothing if ``quiet``; steps are recorded in either case."""
        self.quiet = quiet
        self.steps: list[tuple[str, float]] = []
        self._lock = threading.Lock()
        self._open: str | None = None
        self._live = None if quiet or not live.is_terminal() else live.LiveSteps()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Print ``name``, run the body, then print its duration in seconds, or that it failed."""
        started = time.monotonic()
        with self.activity(name):
            self._begin(name)
            try:
                yield
            except BaseException:
                self._end(name, started, " failed")
                raise
            self.steps.append((name, time.monotonic() - started))
            self._end(name, started, "")

    @contextlib.contextmanager
    def activity(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show ``text`` and the time so far on a terminal while the body runs; nothing elsewhere.

        The body gets a function that shows another text. No other program may write to the
        terminal meanwhile, but one that ``altostratus.process.interact`` runs.
        """
        if self._live is None:
            yield lambda _: None
        else:
            with self._live.shown(text) as change:
                yield change

    def note(self, text: str) -> None:
        """Print one line of information."""
        with self._lock:
            self._close_line()
            self._write(f"{text}\n")

    def _begin(self, name: str) -> None:
        if self._live is not None:
            return
        with self._lock:
            self._close_line()
            self._write(f"{name} …")
            self._open = name

    def _end(self, name: str, started: float, outcome: str) -> None:
        with self._lock:
            # Another step wrote in the meantime, or it was shown below: repeat the name.
            if self._open != name:
                self._close_line()
                outcome = f"{name} …{outcome}"
            self._write(f"{outcome} {time.monotonic() - started:.1f} s\n")
            self._open = None

    def _close_line(self) -> None:
        if self._open is not None:
            self._write("\n")
            self._open = None

    def _write(self, text: str) -> None:
        if self.quiet:
            return
        text = printable(text)
        if self._live is not None:
            self._live.write(text)
        else:
            sys.stderr.write(text)
            sys.stderr.flush()
