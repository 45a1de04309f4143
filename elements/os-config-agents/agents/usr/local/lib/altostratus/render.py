#!/opt/os-config-agents/bin/python -I
# SPDX-License-Identifier: Apache-2.0
"""os-apply-config, which writes each value as the place needs where a template has it.

Its own templates paste: a password with an @ changed the host of a database URL, and oslo.config
takes what follows a $ for the name of an option. Here the path of the file decides how a value is
encoded (PLACES), and inside a URL (SCHEME://…) it is quoted for that. A value that a file cannot
hold is an error, which names its key and never shows it. ``{{{KEY}}}`` pastes, as ever, and
executable templates encode themselves.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from os_apply_config import apply_config, config_exception, renderers

# Around every value until its place is known; of Unicode's private use area.
BEGIN, END = "\ue000", "\ue001"
WORD = re.compile(r"[\w./:@+,=-]*", re.ASCII)
URL = re.compile(r"(^|[^\w+.-])[A-Za-z][\w+.-]*://[^\s\"'<>]*$")


class Unfit(ValueError):
    """A file of this kind cannot hold the value; the message says why."""


def line(value: str, is_whole: bool) -> str:
    """Return what is pasted into a file of any other format: one line."""
    if not all(letter.isprintable() for letter in value):
        raise Unfit("it has a line break or a control character")
    return value


def word(value: str, is_whole: bool) -> str:
    """Return what needs no encoding: numbers, names, addresses and paths."""
    if not WORD.fullmatch(value):
        raise Unfit("it has other characters than letters, digits and ./:@+,=_-")
    return value


def ini(value: str, is_whole: bool) -> str:
    """Return a value for oslo.config (iniparser.py, and Substitution in cfg.py).

    A $ would begin the name of an option. Space around a value is dropped, and so are quotes.
    """
    text = line(value, is_whole).replace("$", r"\$")
    if is_whole and value and (value != value.strip() or (value[0] == value[-1] in "\"'")):
        return f'"{text}"'
    return text


def environment(value: str, is_whole: bool) -> str:
    """Return a value for EnvironmentFile= of systemd.exec(5), and for shells."""
    text = line(value, is_whole)
    return text if WORD.fullmatch(text) else '"' + re.sub(r'(["\\`$])', r"\\\1", text) + '"'


def json_string(value: str, is_whole: bool) -> str:
    """Return what is between the quotes of a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


def erlang_string(value: str, is_whole: bool) -> str:
    """Return what is between the quotes of an Erlang string."""
    if not value.isascii():
        raise Unfit("it has a character outside ASCII")
    return re.sub(r'(["\\])', r"\\\1", line(value, is_whole))


PLACES: tuple[tuple[str, Callable[[str, bool], str]], ...] = (
    (r"\.json$", json_string),
    (r"\.config$", erlang_string),
    (r"\.env$", environment),
    # Each has rules of its own for quotes, comments and variables.
    (r"\.(cnf|yml|yaml)$|/uwsgi\.ini$|/(memcached|rabbitmq|redis|sushy|files|nginx)\.conf$", word),
    (r"\.(conf|ini)$", ini),
    ("", line),
)
"""How values are encoded, by the path of the file; the first pattern that matches counts."""


def in_url(value: str, after: str) -> str:
    """Return a value inside a URL; ``after`` is what follows it there."""
    is_account = "@" in re.split(r"[\s/\"'<>]", after, maxsplit=1)[0]
    return quote(value, safe="" if is_account else "/:[]~")


def marked(value: str) -> str:
    """Return a value with the marks around it; raises Unfit as ``encoded``."""
    if BEGIN in value or END in value:
        raise Unfit("it has a character of Unicode's private use area", value)
    return f"{BEGIN}{value}{END}"


def encoded(text: str, encode: Callable[[str, bool], str]) -> str:
    """Return the rendered ``text`` with every value between BEGIN and END encoded for its place.

    Raises Unfit; its second argument is the value.
    """
    literal, *rest = text.split(BEGIN)
    pieces = [piece.partition(END) for piece in rest]
    done = literal
    for number, (value, _, following) in enumerate(pieces):
        before = done[done.rfind("\n") + 1 :]
        after = following + "".join(piece[2] for piece in pieces[number + 1 :])
        is_whole = before.rstrip().endswith("=") and after[:1] in ("", "\n")
        try:
            if URL.search(before):
                done += line(in_url(value, after), False)
            else:
                done += encode(value, is_whole)
        except Unfit as error:
            raise Unfit(str(error), value) from None
        done += following
    return done


def encoder(template: str) -> Callable[[str, bool], str]:
    """Return how values are encoded in the file that is made of ``template``."""
    return next(encode for pattern, encode in PLACES if re.search(pattern, template))


def keys(document: object, value: str, path: str = "") -> Iterator[str]:
    """Yield the dotted keys in ``document`` that have the ``value``."""
    if isinstance(document, dict):
        for name, item in document.items():
            yield from keys(item, value, f"{path}.{name}" if path else str(name))
    elif isinstance(document, list):
        for number, item in enumerate(document):
            yield from keys(item, value, f"{path}.{number}")
    elif document == value:
        yield path


def render(template: str, config: dict[str, Any]) -> str:
    """Return the content of the file that is made of the mustache ``template``."""
    renderer = renderers.JsonRenderer(missing_tags="ignore", escape=marked)
    try:
        text = renderer.render(Path(template).read_text(encoding="utf-8"), config)
        return encoded(text, encoder(template))
    except Unfit as error:
        names = ", ".join(keys(config, error.args[1])) or "a value"
        message = f"{template}: {names} cannot be written there: {error.args[0]}"
        raise config_exception.ConfigException(message) from None


def render_template(template: str, config: dict[str, Any]) -> str:
    """Return the content of the file that is made of any ``template``; os-apply-config calls it."""
    if apply_config.is_executable(template):
        return str(apply_config.render_executable(template, config))
    return render(template, config)


def main(argv: list[str]) -> int:
    """Run os-apply-config; return its exit status."""
    apply_config.render_template = render_template
    return int(apply_config.main(argv))


if __name__ == "__main__":
    sys.exit(main(sys.argv))
