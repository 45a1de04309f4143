# SPDX-License-Identifier: Apache-2.0
"""Every kind of file with every kind of bad content: exit code 2, the place, a hint, no surprise.

Files that our commands wrote are here, too: a disk or a hand may have damaged them.
"""

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from altostratus.console import CommandParser, run_command
from altostratus.errors import printable
from altostratus.yamlfile.problems import ENOUGH
from devtest import clouds, settings
from devtest.cloud import heatenv
from devtest.container import spec
from devtest.workspace import Workspace
from generator import contracts, generate
from generator.output import secretstore
from generator.output.generated import Generated
from imagebuild import images, manifest
from setupcloud import flavors, networks, nodes

# Seconds for any of these files, on a busy machine; the worst of them would take minutes.
PATIENCE = 20.0


def joined(path: Path) -> None:
    cloud = path.with_name("joining.yaml")
    cloud.write_text(
        f"join: {path.name}\nname: n\nhypervisors: [lxc]\n"
        "networks: {ctlplane: {cidr: 10.0.0.0/24}}\nroles: {a: {services: [memcached]}}\n"
    )
    generate.images(cloud)


def known_clouds(path: Path) -> None:
    clouds.known(Workspace(path.parent, path.parent))


KINDS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "cloud file": ("cloud.yaml", generate.images),
    "cloud file in JSON": ("cloud.json", generate.images),
    "joined cloud file": ("other.yaml", joined),
    "image list": ("images.yaml", images.read_images),
    "image list in JSON": ("images.json", images.read_images),
    "manifest": ("manifest.json", manifest.read_manifest),
    "networks": ("networks.json", networks.read),
    "networks in YAML": ("networks.yaml", networks.read),
    "flavors": ("flavors.json", flavors.read),
    "nodes": ("nodes.json", nodes.read),
    "Heat environment": ("env.json", heatenv.read),
    "Heat environment in YAML": ("env.yaml", heatenv.read),
    "secrets": ("secrets.yaml", secretstore.load),
    "contract": ("a/service.yaml", lambda path: contracts.load(path.parent.parent)),
    "generated image list": ("images.yaml", lambda path: Generated(path.parent, "a").roles),
    "generated networks": ("networks.json", lambda path: Generated(path.parent, "a").networks),
    "generated template": ("a.yaml", lambda path: Generated(path.parent, "a").parameters),
    "settings": ("settings.json", lambda path: settings.load(path.parent)),
    "container": ("spec.json", spec.load),
    "credentials": ("clouds.yaml", known_clouds),
}

BOMB = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9))
PAIR = '{"images": "\\ud83d"}'

# Not of the format at all: the place is always known.
BROKEN: dict[str, bytes | str] = {
    "deep lists": "[" * 20_000,
    "deep mappings": '{"a":' * 20_000,
    "unclosed": '{"a": [1, 2',
    "control character": b'{"a": "\x1b[31m"}',
    "NUL": b'{"a": "\x00"}',
    "Latin-1": b'{"a": "\xe9"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "duplicate key": '{"a": 1, "a": 2}',
    "no-break space": '{"a":\u00a0{"b": 1, "c"\u00a0: [1, }',
    "half a surrogate pair": PAIR,
}
# Of YAML alone.
BROKEN_YAML: dict[str, bytes | str] = {
    "alias bomb": f"a0: &a0 [x]\n{BOMB}images: *a8\n",
    "alias of itself": "a: &a [*a]\n",
    "unknown alias": "a: *b\n",
    "merge key": "a: {<<: {b: 1}}\n",
    "tag": "a: !!python/object/apply:os.system [id]\n",
    "list as key": "? [a]\n: b\n",
    "tabs": "a:\n\tb: 1\n",
    "two documents": "a: 1\n---\na: 2\n",
    "C1 control character": "a\u009b: 1\n",
}
# Of JSON alone.
BROKEN_JSON: dict[str, bytes | str] = {
    "empty": "",
    "blank": " \n\n",
    "not a number": '{"a": NaN}',
    "infinity": '{"a": -Infinity}',
    "YAML": "a: 1\n",
    "comment": "# {}\n{}",
    "typographic quotes": "{\u201ca\u201d: 1}",
}
# Of the format, but of no use.
USELESS: dict[str, bytes | str] = {
    "null": "null",
    "list": "[1, 2]",
    "text": '"a"',
    "number": "1",
    "huge number": f'{{"a": {"9" * 10_000}, "b": 1e999, "c": 1e400}}',
    "empty mapping": "{}",
    "byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "escapes in a key": '{"\\u001b[31ma\\u202e\\u009b": 1}',
    "newline in a key": '{"a\\nerror: b": 1}',
    "long key": f'{{"{"a" * 100_000}": 1}}',
    "many keys": "{" + ", ".join(f'"image{i}": 1' for i in range(3_000)) + "}",
    "many wrong items": json.dumps(
        dict.fromkeys(
            ["images", "networks", "flavors", "nodes", "roles", "clouds", "parameter_defaults"],
            [f"word{i}" for i in range(3_000)],
        )
    ),
}
# Whose shape is held to a schema; what devtest writes for itself is not.
WITH_SCHEMA = set(KINDS) - {"generated networks", "generated template", "settings", "container"}
WITH_SCHEMA -= {"credentials"}


def contents(kind: str) -> dict[str, bytes | str]:
    own = BROKEN_JSON if KINDS[kind][0].endswith(".json") or kind == "manifest" else BROKEN_YAML
    return {**BROKEN, **own}


# Without a parameter, too, it is one.
VALID = {(kind, "empty mapping") for kind in ("Heat environment", "Heat environment in YAML")}
CASES = [(kind, name) for kind in KINDS for name in [*contents(kind), *USELESS]]
CASES = [case for case in CASES if case not in VALID]


def check(kind: str, path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Read the file as a command does; return what it says."""
    started = time.monotonic()
    code = run_command(lambda _: KINDS[kind][1](path) and None, CommandParser(), [])
    said = capsys.readouterr()
    assert code == 2, said
    assert said.out == ""
    assert "Traceback" not in said.err and "internal error" not in said.err
    assert "hint: " in said.err
    assert said.err == printable(said.err)
    assert not [line for line in said.err.splitlines()[1:] if line.startswith("error:")]
    assert len(said.err) < 200_000
    assert time.monotonic() - started < PATIENCE
    return said.err


@pytest.mark.parametrize(("kind", "name"), CASES)
def test_bad_content(
    kind: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / KINDS[kind][0]
    path.parent.mkdir(exist_ok=True)
    content = {**contents(kind), **USELESS}[name]
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    said = check(kind, path, capsys)
    if name in contents(kind) or kind in WITH_SCHEMA:
        assert re.search(rf"{re.escape(str(path))}:\d+:\d+: ", said)
    if name == "no-break space" and kind != "secrets":
        assert "U+00A0 (no-break space)" in said


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def loop(path: Path) -> None:
    path.symlink_to(path.name)


SPECIAL: dict[str, tuple[Callable[[Path], None], str]] = {
    "directory": (Path.mkdir, "a directory"),
    "pipe": (fifo, "not a regular file"),
    "device": (device, "not a regular file"),
    "loop of links": (loop, "symbolic links"),
    "nothing": (lambda path: None, "no"),
}
# These have defaults where there is no file, or are found by a pattern.
OPTIONAL = {"secrets", "contract", "settings", "credentials"}


@pytest.mark.parametrize("special", SPECIAL)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file(
    kind: str, special: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if kind in OPTIONAL and special in ("nothing", "loop of links"):
        return
    path = tmp_path / KINDS[kind][0]
    path.parent.mkdir(exist_ok=True)
    SPECIAL[special][0](path)
    if kind.startswith("generated") and special in ("nothing", "loop of links"):
        with pytest.raises(Exception, match="is missing|No such file|symbolic links"):
            KINDS[kind][1](path)
        return
    said = check(kind, path, capsys)
    assert SPECIAL[special][1].lower() in said.lower()
    assert str(path) in said or "joining.yaml" in said


def test_the_search_for_problems_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "networks.json"
    path.write_text("{" + ", ".join(f'"k{i}": 1' for i in range(ENOUGH + 1)) + "}")
    said = check("networks", path, capsys)
    assert said.startswith(f"error: {ENOUGH} problems found\n")
    assert said.endswith(f"and {ENOUGH - 100} more\n")
