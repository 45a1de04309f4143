# SPDX-License-Identifier: Apache-2.0
import argparse
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator

import pytest

from altostratus import live
from altostratus.console import CommandParser, Progress, run_command
from altostratus.errors import AltostratusError, InputError, printable
from altostratus.version import version


@pytest.fixture(autouse=True)
def sigterm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def command(main: Callable[[argparse.Namespace], int | None], *argv: str) -> int:
    return run_command(main, argparse.ArgumentParser(prog="tool"), argv)


def raising(error: BaseException) -> Callable[[argparse.Namespace], int | None]:
    def main(args: argparse.Namespace) -> int:
        raise error

    return main


def test_none_means_success() -> None:
    assert command(lambda args: None) == 0
    assert command(lambda args: 1) == 1


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (AltostratusError("no room", "make some"), 1, "error: no room\nhint: make some\n"),
        (InputError("bad name"), 2, "error: bad name\n"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
        (OSError(28, "No space left on device", "/a"), 1, "error: /a: No space left on device\n"),
        (OSError(28, "No space left", "/a", None, "/b"), 1, "error: /a to /b: No space left\n"),
        (OSError("odd"), 1, "error: odd\n"),
        (
            ValueError("odd"),
            1,
            "error: internal error: ValueError: odd\nhint: --debug shows where",
        ),
    ],
)
def test_errors_become_exit_codes_and_messages(
    error: BaseException, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(raising(error)) == code
    captured = capsys.readouterr()
    assert captured.err.startswith(text)
    assert captured.out == ""
    assert "Traceback" not in captured.err


def test_debug_shows_the_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(raising(AltostratusError("no room")), "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_unknown_option_exits_2() -> None:
    with pytest.raises(SystemExit) as caught:
        command(lambda args: None, "--nonsense")
    assert caught.value.code == 2


def test_version_goes_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        command(lambda args: None, "--version")
    assert caught.value.code == 0
    assert capsys.readouterr() == (f"tool {version()}\n", "")


def test_sigterm_unwinds() -> None:
    unwound = []

    def main(args: argparse.Namespace) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            unwound.append(True)

    assert command(main) == 130
    assert unwound


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], ["info"]),
        (["--debug"], ["info", "debug"]),
        (["--quiet"], []),
        (["-q", "--debug"], None),
    ],
)
def test_options_choose_the_messages(options: list[str], shown: list[str] | None) -> None:
    code = (
        "import logging, sys\n"
        "from altostratus.console import CommandParser, run_command\n"
        "def main(args):\n"
        "    ours, theirs = logging.getLogger('imagebuild.x'), logging.getLogger('requests')\n"
        "    for logger in (ours, theirs):\n"
        "        logger.info('info'), logger.debug('debug')\n"
        "    theirs.warning('warned')\n"
        "    print('result')\n"
        "sys.exit(run_command(main, CommandParser(prog='tool'), None))"
    )
    command = [sys.executable, "-c", code, *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "result\n"
    expected = ["info", "debug"] if shown is None else shown
    assert done.stderr.splitlines() == [*expected, "warned"]


def test_a_reader_that_leaves_is_no_error_message() -> None:
    code = (
        "import sys\n"
        "from altostratus.console import CommandParser, run_command\n"
        "def main(args):\n"
        "    for number in range(100_000):\n"
        "        print(number)\n"
        "sys.exit(run_command(main, CommandParser(prog='tool'), None))"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout
        assert child.stderr
        assert child.stdout.readline() == "0\n"
        child.stdout.close()
        assert child.stderr.read() == ""
    assert child.returncode == 1


def test_progress_prints_and_records_steps(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.step("first"):
        pass
    with pytest.raises(ValueError, match="x"), progress.step("second"):
        raise ValueError("x")
    assert [name for name, _ in progress.steps] == ["first"]
    assert capsys.readouterr().err == "first … 0.0 s\nsecond … failed 0.0 s\n"


def test_progress_of_overlapping_steps_stays_readable(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress()
    with progress.step("outer"), progress.step("inner"):
        progress.note("note")
    expected = "outer …\ninner …\nnote\ninner … 0.0 s\nouter … 0.0 s\n"
    assert capsys.readouterr().err == expected


def test_quiet_progress_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(quiet=True).step("first"):
        pass
    assert capsys.readouterr().err == ""


# ESC, a C1 control, a change of the writing direction, a no-break space, half of a surrogate pair.
NASTY = "a\x1b[31mb\x9bc\u202ed\u00a0e\ud800\r"
HARMLESS = "a\\x1b[31mb\\x9bc\\u202ed\\xa0e\\ud800\\r"


def test_terminals_obey_no_input(capsys: pytest.CaptureFixture[str]) -> None:
    def main(args: argparse.Namespace) -> None:
        progress = Progress()
        with progress.step(f"1 {NASTY}"):
            pass
        progress.note(f"2 {NASTY}")
        logging.getLogger("altostratus").info("3 %s", NASTY)
        raise AltostratusError(f"4 {NASTY}\n\tmore", f"5 {NASTY}")

    assert run_command(main, CommandParser(), []) == 1
    said = capsys.readouterr().err
    for number in range(1, 6):
        assert f"{number} {HARMLESS}" in said
    assert "\x1b" not in said and f"error: 4 {HARMLESS}\n\tmore\nhint: " in said


@pytest.mark.parametrize("raised", [OSError, AltostratusError, ValueError])
def test_nor_paths_nor_arguments(
    raised: type[Exception], capsys: pytest.CaptureFixture[str]
) -> None:
    def main(args: argparse.Namespace) -> None:
        if raised is OSError:
            raise FileNotFoundError(2, "No such file", f"{NASTY}\nerror: x")
        raise raised(NASTY)

    run_command(main, CommandParser(), [])
    said = capsys.readouterr().err
    assert HARMLESS in said and "\nerror: x" not in said
    with pytest.raises(SystemExit):
        run_command(main, CommandParser(), [f"{NASTY}\nerror: x"])
    said = capsys.readouterr().err
    assert f"error: unrecognized arguments: {HARMLESS}\\nerror: x\nhint: " in said


def test_what_people_write_is_shown_as_it_is() -> None:
    for text in ("", "ä 😀 \u0301 …", "two\nlines\tand a tab"):
        assert printable(text) == text


class Terminal:
    """A pseudo-terminal as standard error; ``text`` is what it has shown."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._master, slave = pty.openpty()
        termios.tcsetwinsize(slave, (24, 80))
        self._stream = os.fdopen(slave, "w")
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", self._stream)

    def text(self) -> str:
        self._stream.flush()
        shown = b""
        while select.select([self._master], [], [], 0.05)[0]:
            shown += os.read(self._master, 65536)
        return shown.decode()

    def lines(self) -> list[str]:
        """Return the lines without what is drawn with escape sequences and removed again."""
        return [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", line) for line in self.text().splitlines()]


def test_a_terminal_shows_what_is_at_work_and_for_how_long(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch)
    monkeypatch.setattr(live.time, "monotonic", iter(range(0, 9000, 61)).__next__)
    progress = Progress()
    with progress.step("build layer"):
        progress.note("a note [bold] with brackets")
    shown = terminal.lines()
    assert any(re.match(r"  build layer … \d+ min \d\d s", line) for line in shown)
    assert "a note [bold] with brackets" in shown
    assert any(re.fullmatch(r"build layer … \d+\.0 s", line) for line in shown)
    assert [name for name, _ in progress.steps] == ["build layer"]


def test_a_terminal_obeys_no_name_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch)
    with Progress().step(f"2 {NASTY}"):
        pass
    shown = terminal.text()
    assert shown.count(f"2 {HARMLESS} … ") >= 2
    assert "\x1b[31m" not in shown and "\x9b" not in shown


def test_an_activity_is_for_terminals_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress().activity("waiting") as change:
        change("waiting for web-0")
    assert capsys.readouterr().err == ""
    terminal = Terminal(monkeypatch)
    progress = Progress()
    with progress.activity("waiting") as change:
        change("waiting for web-0")
        # It is drawn again for what is printed above it.
        progress.note("news")
    assert "waiting for web-0 … 0 s" in terminal.text()
    assert not progress.steps


def test_the_terminal_is_left_to_another_program(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal(monkeypatch)
    progress = Progress()
    with progress.step("build"):
        terminal.text()
        with live.LiveSteps.hidden():
            terminal.text()
            # Longer than the display needs to be drawn again.
            assert terminal.text() == ""
        progress.note("after")
    assert "after" in terminal.text()


@pytest.mark.parametrize(("quiet", "term"), [(True, "xterm"), (False, "dumb")])
def test_a_dumb_terminal_has_plain_lines_and_a_quiet_one_none(
    quiet: bool, term: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal(monkeypatch)
    monkeypatch.setenv("TERM", term)
    with Progress(quiet).step("build"):
        pass
    shown = terminal.text()
    assert "\x1b" not in shown
    assert shown == ("" if quiet else "build … 0.0 s\r\n")


def test_without_a_terminal_rich_is_not_loaded() -> None:
    code = (
        "import sys\nfrom altostratus.console import Progress\n"
        "with Progress().step('x'): pass\nprint('rich' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
