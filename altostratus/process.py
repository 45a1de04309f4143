# SPDX-License-Identifier: Apache-2.0
"""Runs other programs; every command of the project is started here.

Arguments are lists, never shell text. A child has no standard input unless it is given one, a
small environment, and a process group of its own that is killed on timeout and interruption.
"""

import contextlib
import logging
import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from altostratus.errors import AltostratusError
from altostratus.live import LiveSteps

# Variables that a child inherits: program search path, cache and state directories, directories of
# elements, proxies and CA bundles.
INHERITED = (
    "PATH",
    "HOME",
    "USER",
    "TERM",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_STATE_HOME",
    "ALTOSTRATUS_CACHE",
    "ALTOSTRATUS_STATE",
    "ELEMENTS_PATH",
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
)
# Where the administrator's commands are; `su` without `-` leaves them out of PATH.
SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
# Seconds between SIGTERM and SIGKILL.
GRACE = 5.0
TAIL_LINES = 20
# Seconds between two looks at a command on the terminal.
_POLL = 0.2

_DYING = ("setpriv", "--pdeathsig", "KILL", "--")

logger = logging.getLogger(__name__)
_running: set[subprocess.Popen[str]] = set()
_running_lock = threading.Lock()


@dataclass(frozen=True)
class Result:
    """The result of a command; ``stdout`` and ``stderr`` are empty if they were not captured."""

    returncode: int
    stdout: str
    stderr: str


class CommandError(AltostratusError):
    """A command failed, timed out or could not be started.

    ``returncode`` is negative for a signal, None if the command never ran or was stopped by us;
    ``output`` is the end of its output.
    """

    def __init__(
        self, message: str, hint: str | None = None, *, returncode: int | None, output: str = ""
    ) -> None:
        """Keep what is known about the failed command."""
        super().__init__(message, hint)
        self.returncode = returncode
        self.output = output


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    timeout: float | None = None,
    log: Path | None = None,
    input: str | None = None,
    check: bool = True,
    capture: bool = True,
    results: bool = True,
    on_line: Callable[[str], None] | None = None,
    silence: float | None = None,
    die_with_parent: bool = False,
    tidying: bool = False,
) -> Result:
    """Run ``argv``, wait for it and return its Result.

    ``env`` is added to the inherited variables; ``timeout`` is in seconds. With ``log`` all output
    is appended to that file and not captured, and ``on_line`` (requires ``log``; excludes ``input``
    and ``timeout``) is called with each line; a command without a new line for ``silence`` seconds
    is killed. Without ``log`` and ``capture`` all output goes to our standard error, its standard
    output only with ``results``. With ``die_with_parent`` the kernel kills the command (not its
    children) when we die, even by SIGKILL: see PR_SET_PDEATHSIG in prctl(2). ``stop_running``
    spares a command that is ``tidying`` up.

    Messages and logs show the arguments: pass secrets in files, ``env`` or ``input``.

    Raises CommandError if the command cannot be started, exceeds a limit of time or, with
    ``check``, exits with a code other than 0.
    """
    command = [str(part) for part in argv]
    shown = shlex.join(command)
    logger.debug("run: %s", shown)
    started = [*_DYING, *command] if die_with_parent else command
    with contextlib.ExitStack() as stack:
        logfile = stack.enter_context(log.open("a", encoding="utf-8")) if log else None
        child = _start(started, _environment(env), cwd, logfile, input, capture, results, on_line)
        stack.enter_context(_reaped(child, tidying))
        if on_line and logfile:
            _follow(child, logfile, on_line, silence, shown)
        result = _finish(child, input, timeout, shown)
    if check and result.returncode != 0:
        raise _failure(command[0], shown, result, log)
    return result


def interact(
    argv: Sequence[str | Path], *, stop: threading.Event, env: Mapping[str, str] | None = None
) -> int:
    """Run ``argv`` on the user's terminal and return its exit code (negative for a signal).

    Its output goes to our standard error. ``env`` is added to the inherited variables. The kernel
    kills the command when we die; it is also killed when ``stop`` is set. Afterwards the terminal
    is ours again, as a shell leaves it that had job control. Raises CommandError when the command
    cannot be started.
    """
    command = [*_DYING, *(str(part) for part in argv)]
    logger.debug("run on the terminal: %s", shlex.join(command))
    try:
        # In our session: a new one would have no terminal.
        with LiveSteps.hidden():
            return _attend(command, stop, env)
    except OSError as error:
        raise _not_started(command[0], error) from error


def _attend(command: list[str], stop: threading.Event, env: Mapping[str, str] | None) -> int:
    child = subprocess.Popen(command, stdout=2, stderr=2, env=_environment(env))
    try:
        while child.poll() is None:
            if stop.wait(_POLL):
                child.kill()
    finally:
        child.kill()
        child.wait()
        _take_terminal()
    return child.returncode


def _take_terminal() -> None:
    """Make our process group the terminal's foreground one, see tcsetpgrp(3)."""
    # From the background it is allowed only to who does not take the signal.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with contextlib.suppress(OSError):
            os.tcsetpgrp(0, os.getpgrp())
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stop_running(*, force: bool = False) -> None:
    """Stop every running command that ``run`` started, in whichever thread.

    SIGTERM lets them undo what they did; with ``force`` they get SIGKILL.
    """
    with _running_lock:
        children = list(_running)
    for child in children:
        _kill_group(child, signal.SIGKILL if force else signal.SIGTERM)


def search_path() -> str:
    """Return PATH with the directories of system commands, which come last if they were not in it.

    Commands are found there whoever calls us: ``ip``, ``mke2fs`` and others are in /usr/sbin.
    """
    given = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join([*given, *(one for one in SYSTEM if one not in given)])


def which(command: str) -> str | None:
    """Return the path of ``command`` as ``run`` finds it, None if there is none."""
    return shutil.which(command, path=search_path())


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    kept = {name: os.environ[name] for name in INHERITED if name in os.environ}
    return {**kept, "PATH": search_path(), "LANG": "C.UTF-8", **(extra or {})}


def _start(
    command: list[str],
    env: dict[str, str],
    cwd: Path | None,
    logfile: IO[str] | None,
    input: str | None,
    capture: bool,
    results: bool,
    on_line: Callable[[str], None] | None,
) -> subprocess.Popen[str]:
    stdout: int | IO[str] = subprocess.PIPE
    stderr: int | IO[str] = subprocess.PIPE
    if logfile:
        stdout, stderr = (subprocess.PIPE if on_line else logfile), subprocess.STDOUT
    elif not capture:
        stdout, stderr = (2 if results else subprocess.DEVNULL), 2
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if input is not None else subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=env,
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        raise _not_started(command[0], error) from error
    return child


def _not_started(name: str, error: OSError) -> CommandError:
    hint = "install it, see bindep.txt" if isinstance(error, FileNotFoundError) else None
    return CommandError(f"cannot run {name}: {error.strerror}", hint, returncode=None)


def _finish(
    child: subprocess.Popen[str], input: str | None, timeout: float | None, shown: str
) -> Result:
    try:
        stdout, stderr = child.communicate(input, timeout)
    except subprocess.TimeoutExpired:
        raise CommandError(f"timed out after {timeout:g} s: {shown}", returncode=None) from None
    return Result(child.returncode, stdout or "", stderr or "")


@contextlib.contextmanager
def _reaped(child: subprocess.Popen[str], tidying: bool) -> Iterator[None]:
    """On exit, stop the child with its process group if it still runs, and close its pipes."""
    if not tidying:
        with _running_lock:
            _running.add(child)
    try:
        yield
    finally:
        if child.poll() is None:
            _stop(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                pipe.close()
        with _running_lock:
            _running.discard(child)


def _stop(child: subprocess.Popen[str]) -> None:
    _kill_group(child, signal.SIGTERM)
    try:
        child.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _kill_group(child, signal.SIGKILL)
        child.wait()


def _kill_group(child: subprocess.Popen[str], signum: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signum)


def _follow(
    child: subprocess.Popen[str],
    logfile: IO[str],
    on_line: Callable[[str], None],
    silence: float | None,
    shown: str,
) -> None:
    heard, ended, killed = [time.monotonic()], threading.Event(), threading.Event()

    def watch(limit: float) -> None:
        while not ended.wait(max(0.0, heard[0] + limit - time.monotonic())):
            if time.monotonic() - heard[0] >= limit:
                killed.set()
                _kill_group(child, signal.SIGKILL)
                return

    watcher = threading.Thread(target=watch, args=(silence,)) if silence else None
    try:
        if watcher:
            watcher.start()
        for line in child.stdout or ():
            heard[0] = time.monotonic()
            logfile.write(line)
            logfile.flush()
            on_line(line.rstrip("\n"))
    finally:
        ended.set()
        if watcher:
            watcher.join()
    if killed.is_set():
        raise CommandError(f"wrote nothing for {silence:g} s: {shown}", returncode=None)


def _failure(name: str, shown: str, result: Result, log: Path | None) -> CommandError:
    output = log.read_text(errors="replace") if log else f"{result.stdout}\n{result.stderr}"
    tail = "\n".join(output.strip().splitlines()[-TAIL_LINES:])
    ended = (
        f"was killed by {signal.Signals(-result.returncode).name}"
        if result.returncode < 0
        else f"failed with exit code {result.returncode}"
    )
    message = f"{Path(name).name} {ended}: {shown}"
    return CommandError(
        f"{message}\n{tail}" if tail else message,
        f"the whole output is in {log}" if log else None,
        returncode=result.returncode,
        output=tail,
    )
