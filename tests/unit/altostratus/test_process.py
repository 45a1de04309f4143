# SPDX-License-Identifier: Apache-2.0
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from altostratus import process
from altostratus.process import CommandError, run


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def dies(pid: int) -> bool:
    """Tell whether a process that was killed has ended; on a loaded machine that takes a while."""
    deadline = time.monotonic() + 10
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_output_is_captured() -> None:
    result = run([sys.executable, "-c", "import sys; print('out'); print('err', file=sys.stderr)"])
    assert (result.returncode, result.stdout, result.stderr) == (0, "out\n", "err\n")


def test_shell_characters_reach_the_command_unchanged() -> None:
    assert run(["echo", "$(id); a b", Path("/x y")]).stdout == "$(id); a b /x y\n"


def test_standard_input_is_empty_or_what_is_given() -> None:
    assert run(["cat"]).stdout == ""
    assert run(["cat"], input="héllo").stdout == "héllo"


def test_environment_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_PASSWORD", "canary")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    output = run(["env"], env={"EXTRA": "1"}).stdout
    assert "canary" not in output
    assert {"https_proxy=http://proxy:3128", "LANG=C.UTF-8", "EXTRA=1"} <= set(output.splitlines())


def test_a_tool_keeps_things_where_its_parent_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTOSTRATUS_CACHE", "/elsewhere/cache")
    monkeypatch.setenv("ALTOSTRATUS_STATE", "/elsewhere/state")
    output = run(["env"]).stdout.splitlines()
    assert {"ALTOSTRATUS_CACHE=/elsewhere/cache", "ALTOSTRATUS_STATE=/elsewhere/state"} <= set(
        output
    )


def test_failure_shows_the_end_of_the_output() -> None:
    script = (
        "import sys; print(*range(100), sep='\\n'); print('refused', file=sys.stderr); sys.exit(3)"
    )
    with pytest.raises(CommandError) as caught:
        run([sys.executable, "-c", script])
    assert caught.value.returncode == 3
    assert caught.value.output.splitlines()[-2:] == ["", "refused"]
    assert "\n99\n" in caught.value.message
    assert "\n42\n" not in caught.value.message


def test_failure_is_returned_without_check() -> None:
    assert run(["false"], check=False).returncode == 1


def test_missing_program_is_a_clear_error() -> None:
    with pytest.raises(CommandError, match="cannot run no-such-program") as caught:
        run(["no-such-program"])
    assert caught.value.hint


def test_death_by_signal_is_named() -> None:
    with pytest.raises(CommandError, match="was killed by SIGKILL"):
        run([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])


def test_log_takes_all_output_and_is_appended(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run(["echo", "one"], log=log)
    with pytest.raises(CommandError) as caught:
        run([sys.executable, "-c", "import sys; sys.exit('two')"], log=log)
    assert log.read_text() == "one\ntwo\n"
    assert caught.value.output == "one\ntwo"
    assert str(log) in str(caught.value.hint)


def test_lines_are_reported_as_they_come(tmp_path: Path) -> None:
    lines: list[str] = []
    run(["printf", "a\\nb\\n"], log=tmp_path / "log", on_line=lines.append)
    assert lines == ["a", "b"]
    assert (tmp_path / "log").read_text() == "a\nb\n"


def test_timeout_kills_the_whole_process_group(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"sleep 1000 & echo $! > {pidfile}; wait"
    with pytest.raises(CommandError, match=r"timed out after 2 s"):
        run(["sh", "-c", script], timeout=2)
    assert dies(int(pidfile.read_text()))


def test_a_child_that_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.2)
    started = time.monotonic()
    with pytest.raises(CommandError):
        run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"], timeout=0.3)
    assert time.monotonic() - started < 5


def test_running_commands_can_be_stopped_from_another_thread() -> None:
    timer = threading.Timer(0.3, process.stop_running)
    timer.start()
    with pytest.raises(CommandError, match="SIGTERM"):
        run(["sleep", "1000"])
    timer.join()


def test_stopping_can_be_forced() -> None:
    timer = threading.Timer(0.3, process.stop_running, kwargs={"force": True})
    timer.start()
    with pytest.raises(CommandError, match="SIGKILL"):
        run(["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
    timer.join()


def test_what_tidies_up_is_not_stopped() -> None:
    timer = threading.Timer(0.2, process.stop_running, kwargs={"force": True})
    timer.start()
    run(["sleep", "0.5"], tidying=True)
    timer.join()


def test_a_silent_command_is_killed_with_its_group(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"echo begun; sleep 1000 & echo $! > {pidfile}; wait"
    lines: list[str] = []
    with pytest.raises(CommandError, match=r"wrote nothing for 0.5 s"):
        run(["sh", "-c", script], log=tmp_path / "log", on_line=lines.append, silence=0.5)
    assert lines == ["begun"]
    assert dies(int(pidfile.read_text()))


def test_a_slow_command_that_speaks_is_not_silent(tmp_path: Path) -> None:
    script = "for i in 1 2 3 4 5; do echo $i; sleep 0.2; done"
    run(["sh", "-c", script], log=tmp_path / "log", on_line=lambda line: None, silence=0.8)
    assert (tmp_path / "log").read_text() == "1\n2\n3\n4\n5\n"


def test_child_has_a_process_group_of_its_own() -> None:
    script = "import os; print(os.getpgid(0))"
    assert run([sys.executable, "-c", script]).stdout.strip() != str(os.getpgid(0))


INTERACT = """
import os, sys, threading
from altostratus import process
stop = threading.Event()
if "stop" in sys.argv:
    threading.Timer(0.5, stop.set).start()
code = process.interact(["bash", "--norc", "-i"], env={"PS1": "> "}, stop=stop)
ours = os.tcgetpgrp(0) == os.getpgrp()
print(f"code {code} terminal {ours}")
"""


def on_a_terminal(tmp_path: Path, typed: str, *more: str) -> str:
    """Run INTERACT on a terminal of its own, type into it, and return what was on the screen."""
    file = tmp_path / "interact.py"
    file.write_text(INTERACT)
    command = shlex.join([sys.executable, str(file), *more])
    child = subprocess.Popen(
        ["script", "--quiet", "--command", command, "/dev/null"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(process.__file__).parents[1])},
    )
    assert child.stdin
    child.stdin.write(typed)
    child.stdin.flush()
    screen, _ = child.communicate(timeout=60)
    return screen


def test_a_command_has_the_terminal(tmp_path: Path) -> None:
    typed = "[ -t 0 ] && [ -t 2 ] && set -o | grep monitor\nexit 3\n"
    screen = on_a_terminal(tmp_path, typed)
    # Job control, and afterwards the terminal is ours again.
    assert re.search(r"monitor\s+on", screen), screen
    assert "code 3 terminal True" in screen


def test_a_command_on_the_terminal_can_be_stopped(tmp_path: Path) -> None:
    assert "code -9 terminal True" in on_a_terminal(tmp_path, "sleep 1000\n", "stop")


def test_the_kernel_ends_a_command_whose_parent_was_killed(tmp_path: Path) -> None:
    pidfile = tmp_path / "pid"
    script = f"echo $$ > {pidfile}.new; mv {pidfile}.new {pidfile}; exec sleep 1000"
    code = (
        "from altostratus.process import run; import sys; "
        "run(['sh', '-c', sys.argv[1]], die_with_parent=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, script]) as parent:
        while not pidfile.exists():
            assert parent.poll() is None
            time.sleep(0.05)
        child = int(pidfile.read_text())
        assert alive(child)
        parent.kill()
    assert dies(child)


@pytest.mark.parametrize("path", ["/usr/bin:/bin", None])
def test_commands_of_the_system_are_found_without_sbin_in_path(
    path: str | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after ``su`` without ``-``."""
    command = tmp_path / "sbin" / "only-here"
    command.parent.mkdir()
    command.write_text("#!/bin/sh\necho found\n")
    command.chmod(0o755)
    monkeypatch.setattr(process, "SYSTEM", (str(command.parent),))
    if path is None:
        monkeypatch.delenv("PATH")
    else:
        monkeypatch.setenv("PATH", path)
    assert run(["only-here"]).stdout == "found\n"
    assert run(["only-here"], die_with_parent=True).stdout == "found\n"
    # Also what it starts itself.
    assert run(["/bin/sh", "-c", "only-here"]).stdout == "found\n"
    assert process.which("only-here") == str(command)
    assert process.which("nowhere-at-all") is None


def test_what_is_in_path_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/sbin:/mine:/bin")
    assert process.search_path() == "/usr/sbin:/mine:/bin:/usr/local/sbin:/sbin"
    assert f"PATH={process.search_path()}" in run(["/usr/bin/env"]).stdout.splitlines()
