# SPDX-License-Identifier: Apache-2.0
"""Completions and manual pages of all commands; help is quick."""

import os
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from altostratus.version import version

TOP = Path(__file__).parents[3]
ENTRIES: dict[str, str] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]


def printed(command: str, *arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    module, _, main = ENTRIES[command].partition(":")
    with pytest.raises(SystemExit) as left:
        getattr(import_module(module), main)(list(arguments))
    assert left.value.code in (0, None)
    return capsys.readouterr().out


@pytest.mark.parametrize("command", ENTRIES)
def test_every_command_says_its_version(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(command, "--version", capsys=capsys) == f"{command} {version()}\n"


@pytest.mark.parametrize("command", ENTRIES)
def test_every_command_completes_in_bash(
    command: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Bash itself completes the options."""
    script = tmp_path / "completion"
    script.write_text(printed(command, "--print-completion", "bash", capsys=capsys))
    asked = f"""
source {script}
COMP_WORDS=({command} --ver) COMP_CWORD=1
$(complete -p {command} | sed 's/.*-F \\([^ ]*\\) .*/\\1/') {command} --ver {command}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True)
    assert "--version" in done.stdout.split(), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
@pytest.mark.parametrize("command", ENTRIES)
def test_every_command_has_completions_for_other_shells(
    command: str, shell: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "version" in printed(command, "--print-completion", shell, capsys=capsys)


def test_bash_completes_commands_of_devtest_and_files(capsys: pytest.CaptureFixture[str]) -> None:
    script = printed("devtest", "--print-completion", "bash", capsys=capsys)
    assert "_shtab_devtest_run___cloud_COMPGEN=_shtab_compgen_files" in script
    assert "_shtab_devtest_subparsers=(run" in script.replace("'", "")


@pytest.mark.parametrize("command", ENTRIES)
def test_every_command_has_a_manual_page(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(command, "--print-manual", capsys=capsys)
    lines = page.splitlines()
    assert lines[0].startswith(f'.TH {command.upper()} "1"'.replace("-", "\\-"))
    assert f"altostratus {version()}" in lines[0]
    name = lines[lines.index(".SH NAME") + 1].replace("\\", "")
    assert name.startswith(f"{command} - ")
    assert len(name) > len(command) + 10
    assert "\\-\\-version" in page
    if man := shutil.which("man"):
        done = subprocess.run(
            [man, "--warnings", "--local-file", "-"],
            input=page,
            env={**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, "")


def test_the_manual_page_of_devtest_has_all_of_its_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = printed("devtest", "--print-manual", capsys=capsys).replace("\\", "")
    for command in ("devtest run", "devtest destroy", "devtest node add", "devtest logs"):
        assert f"'{command}'" in page


@pytest.mark.parametrize("command", ENTRIES)
def test_help_loads_nothing_slow(command: str) -> None:
    """Each of these takes a tenth of a second or more; --help has 150 ms."""
    slow = (
        *("openstack", "heatclient", "novaclient", "glanceclient", "keystoneauth1", "requests"),
        *("rich", "shtab", "argparse_manpage", "diskimage_builder", "jsonschema"),
    )
    module, _, main = ENTRIES[command].partition(":")
    code = (
        "import sys, contextlib, io\n"
        f"from {module} import {main}\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        f"    {main}(['--help'])\n"
        f"print(sorted({{name.split('.')[0] for name in sys.modules}} & set({slow})))"
    )
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "[]\n"
