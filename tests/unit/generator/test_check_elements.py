# SPDX-License-Identifier: Apache-2.0
"""check-elements: every check finds its mistake, at its place; the command's output and codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from altostratus.yamlfile.problems import Check
from generator import check_elements
from generator.elements import checks
from generator.elements import lint as dib_lint

FILES = {
    "README.rst": "own\n",
    "element-deps": "os-config-hooks\npackage-installs\n",
    "package-installs.yaml": "redis-server:\n",
    "service.yaml": """service: own
summary: A service of one's own
units: [own-server]
keys:
  own.port: {type: integer, description: Port, default: 1}
  own.users: {type: array, description: Users, default: []}
  own.password: {type: string, secret: true, description: Password, default: x}
""",
    "os-apply-config/etc/own.conf": "port {{own.port}}\n{{#own.users}}{{name}}{{/own.users}}\n",
    "os-apply-config/etc/secret.conf": "{{own.password}}\n",
    "os-apply-config/etc/secret.conf.oac": "mode: 0640\n",
    "os-refresh-config/post-configure.d/50-own": """#!/bin/bash
# dib-lint: disable=dibdebugtrace
set -eu
set -o pipefail
port=$(metadata own.port)
restart_if_changed own-server.service
""",
}
SCRIPT = "os-refresh-config/post-configure.d/50-own"
CONTRACT = "service.yaml"
TEMPLATE = "os-apply-config/etc/own.conf"

Change = Callable[[Path], object]


def edit(name: str, old: str, new: str) -> Change:
    def change(element: Path) -> None:
        path = element / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def add(name: str, text: str, mode: int = 0o644) -> Change:
    def change(element: Path) -> None:
        path = element / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)

    return change


def move(old: str, new: str) -> Change:
    return lambda element: (element / old).rename(element / new)


# Each check with changes that it finds something in, with place and text.
CASES: list[tuple[str, Change, str]] = [
    ("E6001", edit("element-deps", "pack", "pakc"), "element-deps:2:1: there is no element 'pakc"),
    ("E6002", move(SCRIPT, f"{SCRIPT}.sh"), f"{SCRIPT}.sh:1:1: '50-own.sh' is never run"),
    ("E6002", add("install.d/own", "#!/bin/sh\n", 0o755), "install.d/own:1:1: 'own' is never"),
    (
        "E6003",
        lambda element: (element / SCRIPT).chmod(0o644),
        f"{SCRIPT}:1:1: the script is never",
    ),
    ("E6003", add("install.d/50-own", "#!/bin/sh\n"), "install.d/50-own:1:1: the script is ne"),
    ("E6004", edit(SCRIPT, "#!/bin/bash\n", ""), f"{SCRIPT}:1:1: the first line names no inter"),
    ("E6005", edit(SCRIPT, "set -eu\n", ""), f"{SCRIPT}:1:1: bash without set -e, set -u goes on"),
    ("E6005", edit(SCRIPT, "set -o pipefail\n", ""), f"{SCRIPT}:1:1: bash without set -o pipefail"),
    (
        "E6005",
        add("static/usr/bin/own", "#!/bin/bash\nset -e\nset -o pipefail\n", 0o755),
        "static/usr/bin/own:1:1: bash without set -u",
    ),
    ("E6006", edit(TEMPLATE, "own.port", "own.prot"), f"{TEMPLATE}:1:6: an instance with own do"),
    ("E6006", edit(SCRIPT, "own.port", "mariadb.port"), f"{SCRIPT}:5:17: an instance with own do"),
    (
        "E6007",
        edit(TEMPLATE, "{{/own.users}}", ""),
        f"{TEMPLATE}:2:1: {{{{#own.users}}}} is not cl",
    ),
    ("E6008", add("element-deps", ""), "package-installs.yaml:1:1: nothing"),
    (
        "E6008",
        edit("package-installs.yaml", "redis-server:", ""),
        "package-installs.yaml:1:1: no p",
    ),
    ("E1002", edit("package-installs.yaml", ":", ": ["), "package-installs.yaml:1:16: not YAML"),
    (
        "E6009",
        edit("element-deps", "os-config-hooks\n", ""),
        f"{TEMPLATE}:1:1: os-apply-config/ is",
    ),
    ("E6010", edit(f"{TEMPLATE}", "own.port", "own.password"), f"{TEMPLATE}:1:6: everybody on the"),
    (
        "E6010",
        edit("os-apply-config/etc/secret.conf.oac", "0640", "0644"),
        "os-apply-config/etc/secret.conf:1:1: everybody on the instance can read",
    ),
    ("E6011", add("systemd/own.service", ""), "systemd/own.service:1:1: the unit own is not in"),
    (
        "E6012",
        edit(SCRIPT, "own-server", "owner"),
        f"{CONTRACT}:3:9: no script starts the unit own-",
    ),
    ("E6013", edit(CONTRACT, "keys:", "reads: [keystone.host]\nkeys:"), f"{CONTRACT}:4:9: 'keysto"),
    ("E6014", move(SCRIPT, "os-refresh-config/post-configure.d/11-memcached"), "the element memca"),
    ("E6015", lambda element: (element / "README.rst").unlink(), "own:1:1: no README.rst"),
    (
        "E6016",
        move("os-apply-config/etc/secret.conf", "os-apply-config/etc/other.conf"),
        "secret.conf.oac:1:1: there is no template secret.conf beside it",
    ),
    (
        "E6016",
        edit("os-apply-config/etc/secret.conf.oac", "0640", "'0640'"),
        "os-apply-config/etc/secret.conf.oac:1:7: mode: not an octal number",
    ),
    (
        "E6017",
        lambda element: (element / TEMPLATE).write_bytes(b"\xff"),
        f"{TEMPLATE}:1:1: the tem",
    ),
    ("E6020", edit(SCRIPT, "port=", " port="), f"{SCRIPT}:5:1: should use 4 spaces indent"),
    ("E1104", edit(CONTRACT, "integer", "integr"), f"{CONTRACT}:5:20: type: 'integr' is unknown"),
    ("E3007", edit(CONTRACT, "own.port", "memcached.memory_mb"), f"{CONTRACT}:5:3: 'memcached.mem"),
]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """An element in a directory of its own, with which nothing is wrong."""
    element = tmp_path / "my elements" / "own"
    for name, text in FILES.items():
        add(name, text, 0o755 if name == SCRIPT else 0o644)(element)
    return element


def found(element: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
    code = check_elements.main([*options, str(element)])
    lines = capsys.readouterr().out.splitlines()
    assert code == (1 if lines else 0)
    return [line for line in lines if not line.startswith("    hint: ")]


def test_nothing_is_found_in_a_good_element(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert found(own, capsys) == []
    assert found(own.parent, capsys, "--no-lint") == []


def test_every_check_has_a_case() -> None:
    known = {one.id for one in vars(checks).values() if isinstance(one, Check)}
    assert known <= {check for check, _, _ in CASES}


@pytest.mark.parametrize(("check", "change", "text"), CASES, ids=[one[0] for one in CASES])
def test_what_each_check_finds(
    check: str, change: Change, text: str, own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(own)
    options = () if check == "E6020" else ("--no-lint",)
    lines = found(own, capsys, *options)
    assert any(text in line and line.endswith(f"[{check}]") for line in lines), lines


def test_problems_of_all_elements_come_at_once(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(CONTRACT, "integer", "integr")(own)
    edit(CONTRACT, "units:", "needs: [nobody]\nunits:")(own)
    add("other/service.yaml", "service: other\nsumary: x\n")(own.parent)
    add("other/README.rst", "other")(own.parent)
    edit(SCRIPT, "#!/bin/bash\n", "")(own)
    lines = found(own.parent, capsys)
    assert [line.partition("my elements/")[2].partition(" [")[0] for line in lines] == [
        "other/service.yaml:2:1: unknown key 'sumary'",
        f"own/{SCRIPT}:1:1: the first line names no interpreter",
        "own/service.yaml:3:9: unknown service 'nobody'",
        "own/service.yaml:6:20: type: 'integr' is unknown",
    ]


def test_other_elements_that_install_files_count(
    own: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """diskimage-builder has one for static/, and os-config-hooks is not needed then."""
    add("element/README.rst", "x")(own.parent)
    add("element/static/etc/x", "x")(own.parent)
    assert len(found(own.parent / "element", capsys, "--no-lint")) == 1
    add("element/element-deps", "install-static\n")(own.parent)
    assert found(own.parent / "element", capsys, "--no-lint") == []


def test_report_for_programs(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(TEMPLATE, "own.port", "own.prot")(own)
    assert check_elements.main(["--json", "--no-lint", str(own)]) == 1
    report = json.loads(capsys.readouterr().out)
    (problem,) = report.pop("problems")
    assert report == {"version": 1, "kind": "check-elements", "elements": ["own"]}
    assert problem == {
        "file": str(own / TEMPLATE),
        "line": 1,
        "column": 6,
        "check": "E6006",
        "name": "unsupplied-key",
        "severity": "error",
        "message": "an instance with own does not get the key 'own.prot'",
        "hint": "did you mean 'own.port'?",
    }


def test_bad_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    names = [str(tmp_path / one) for one in ("empty", "file", "absent")]
    assert check_elements.main(names) == 2
    message = capsys.readouterr().err
    for name, reason in zip(names, ("no element in it", "not a directory", "no such"), strict=True):
        assert f"{name}: " in message and reason in message


def test_without_dib_lint(
    own: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dib_lint, "_search", lambda: "/nonexistent")
    assert check_elements.main([str(own)]) == 0
    assert "dib-lint is missing" in capsys.readouterr().err
