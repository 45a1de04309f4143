# SPDX-License-Identifier: Apache-2.0
"""The documentation is true: its commands parse or run, its links and the files it names exist."""

import argparse
import configparser
import contextlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import pages
import pytest
from pages import PAGES, TOP, Piece

from altostratus import console
from devtest import script

ENTRIES: dict[str, str] = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["scripts"]
PACKAGES = ("altostratus", "imagebuild", "generator", "setupcloud", "devtest", "novadrivers")
FILES = [
    Path(name)
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=TOP,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    if (TOP / name).is_file()
]
FOLDERS = {parent for file in FILES for parent in file.parents if parent != Path()}
# Words of examples that stand for a value of a certain form.
VALUES = {"TYPE": "lxc", "N": "1"}
# A command's name followed by these is an outline of its arguments and no example.
OUTLINE = re.compile(r"[|\[\]]|…$")
INCOMPLETE = re.compile(r"^the following arguments are required|: expected one argument$")
PATH = re.compile(r"\.?[\w.*<>-]+(/[\w.*<>@-]+)*/?")
PLACEHOLDER = re.compile(r"<[\w-]+>|\b[A-Z]{4,}\b|\bNN\b")
MODULE = re.compile(rf"(?:{'|'.join(PACKAGES)}|tools)(?:\.(?!sh$)\w+)+")


def parse_error(command: str, arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what the real parser of ``command`` says to ``arguments``; empty if it takes them."""
    errors: list[str] = []
    parse_arguments = console.parse_arguments

    def parse(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> argparse.Namespace:
        parse_arguments(parser, argv)
        raise SystemExit

    def error(parser: argparse.ArgumentParser, message: str) -> None:
        errors.append(message)
        raise SystemExit

    module, _, main = ENTRIES[command].partition(":")
    with monkeypatch.context() as patched, contextlib.suppress(SystemExit):
        patched.setattr(console, "parse_arguments", parse)
        patched.setattr(console.CommandParser, "error", error)
        getattr(import_module(module), main)([VALUES.get(word, word) for word in arguments])
    return "".join(errors)


def check_devtest_sh(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Check the arguments of devtest.sh, which puts ``run`` before some of them."""
    return parse_error("devtest", script.with_command(arguments), monkeypatch)


def check_run_tests(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Check the options by the help text, which needs nothing installed, and those of pytest."""
    help_text = subprocess.run(
        [TOP / "run-tests.sh", "--help"], check=True, capture_output=True, text=True
    ).stdout
    split = arguments.index("--") if "--" in arguments else len(arguments)
    unknown = [one for one in arguments[:split] if one not in help_text.split()]
    if split < len(arguments) and "--" not in help_text.replace("[--", "[ --").split():
        unknown.append("--")
    return f"unknown: {unknown}" if unknown else check_pytest(arguments[split + 1 :], monkeypatch)


def check_pytest(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Check that the named tests exist."""
    for argument in arguments:
        path, _, name = argument.partition("::")
        if argument.startswith("tests") and not (TOP / path).exists():
            return f"{path} does not exist"
        if name and f"def {name.partition('[')[0]}(" not in (TOP / path).read_text():
            return f"{path} has no {name}"
    return ""


def check_python(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Check that the module of ``python -m`` exists."""
    if arguments[:1] != ["-m"] or arguments[1].split(".")[0] not in (*PACKAGES, "tools"):
        return ""
    return "" if find_spec(arguments[1]) else f"there is no module {arguments[1]}"


def check_tox(arguments: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Check that the environments of ``tox -e`` are in tox.ini, or stages of tools/check.sh."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(TOP / "tox.ini")
    stages = re.findall(r"^    (\w+)\)$", (TOP / "tools/check.sh").read_text(), re.MULTILINE)
    named = arguments[arguments.index("-e") + 1].split(",") if "-e" in arguments else []
    missing = [one for one in named if f"testenv:{one}" not in tox and one not in stages]
    return f"there are no environments {missing}" if missing else ""


CHECKS: dict[str, Callable[[Sequence[str], pytest.MonkeyPatch], str]] = {
    "devtest.sh": check_devtest_sh,
    "run-tests.sh": check_run_tests,
    "pytest": check_pytest,
    "python": check_python,
    "tox": check_tox,
}


def check(piece: Piece, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what is wrong with the command line ``piece``; empty for other programs."""
    words = pages.words(piece)
    name = Path(words[0]).name if words else ""
    if name in ENTRIES:
        return parse_error(name, words[1:], monkeypatch)
    return CHECKS[name](words[1:], monkeypatch) if name in CHECKS else ""


@pytest.mark.parametrize(
    "line",
    [
        "build-images --nonsense",
        "generate-stacks",
        "generate-stacks --schema cluod > cloud.json",
        "check-elements",
        "devtest frobnicate",
        "./devtest.sh --cloud",
        "./run-tests.sh --nonsense",
        "./run-tests.sh -- tests/functional/test_absent.py",
        "pytest tests/unit/test_docs.py::test_absent",
        "python -m tools.absent",
        "tox -e absent",
    ],
)
def test_wrong_command_lines_are_found(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(Piece(TOP / "README.md", 1, line), monkeypatch)


@pytest.mark.parametrize("text", ["devtest/absent.py", "absent.sh", "altostratus.absent", "docs/x"])
def test_names_that_do_not_exist_are_found(text: str) -> None:
    assert not exists(TOP / "README.md", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_command_lines_parse(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [
        f"{one}: {error}" for one in pages.commands(page) if (error := check(one, monkeypatch))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_options_within_sentences_exist(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence may leave out arguments that the command requires."""
    wrong = [
        f"{one}: {error}"
        for one in pages.code(page)
        if not OUTLINE.search(one.text)
        and (error := check(one, monkeypatch))
        and not INCOMPLETE.search(error)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if "generate-stacks examples/" in page.read_text()],
    ids=lambda page: page.name,
)
def test_clouds_of_the_pages_can_be_generated(page: Path, tmp_path: Path) -> None:
    """One after another, as a reader would type them."""
    (tmp_path / "examples").symlink_to(TOP / "examples")
    code = "import sys; from generator.generate import main; sys.exit(main())"
    for command in pages.commands(page):
        words = pages.words(command)
        if words[:1] == ["generate-stacks"] and words[1].startswith("examples/"):
            done = subprocess.run(
                [sys.executable, "-c", code, *words[1:]],
                cwd=tmp_path,
                env={"PYTHONPATH": str(TOP)},
                capture_output=True,
                text=True,
            )
            assert done.returncode == 0, f"{command}\n{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for link in pages.links(page):
        path, _, fragment = link.text.partition("#")
        target = (page.parent / path) if path else page
        if not target.exists() or (fragment and fragment not in pages.anchors(target)):
            wrong.append(str(link))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=lambda page: page.name
)
def test_named_files_and_modules_exist(page: Path) -> None:
    wrong = [str(one) for one in pages.code(page) if not exists(page, one.text)]
    assert not wrong, "\n".join(wrong)


def exists(page: Path, text: str) -> bool:
    """Return whether ``text`` exists if it names a file, a folder or a module of the project."""
    if MODULE.fullmatch(text):
        return is_module(text) or bool(PLACEHOLDER.search(text))
    if not PATH.fullmatch(text):
        return True
    path = Path(PLACEHOLDER.sub("*", text))
    if len(path.parts) == 1:
        # A name alone: a module or script in any folder.
        return path.suffix not in (".py", ".sh") or any(file.match(path.name) for file in FILES)
    tops = [top for top in (Path(), page.parent.relative_to(TOP)) if top / path.parts[0] in FOLDERS]
    patterns = [str(top / path) + suffix for top in tops for suffix in ("", ".py")]
    return not tops or any(one.match(each) for each in patterns for one in (*FILES, *FOLDERS))


def is_module(name: str) -> bool:
    """Return whether ``name`` is a module, or something within one."""
    parts = name.split(".")
    for count in (len(parts), len(parts) - 1):
        path = Path(*parts[:count])
        if path.with_suffix(".py") in FILES or (count == len(parts) and path in FOLDERS):
            return True
    return False
