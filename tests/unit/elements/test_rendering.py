# SPDX-License-Identifier: Apache-2.0
"""Templates with values that are special in the files that they get into, read as services do."""

import importlib.util
import json
import re
import shlex
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from os_apply_config import config_exception
from oslo_config import cfg

from altostratus.datafiles import elements_path, examples_path
from generator import cloudfile, contracts
from generator.contracts.model import Contracts
from generator.output.literals import LiteralValues
from generator.plan import metadata
from generator.plan.resolve import resolve

AGENTS = elements_path() / "os-config-agents/agents/usr/local/lib/altostratus"
# What a secret may be: printable ASCII without a space at either end.
NASTY = [
    "p@ss",
    "p@evil.example.com/x?y#z",
    "a/b",
    "a#b",
    "# a",
    "a%b%40%(x)s",
    "a$b$$c${d}",
    r"back\slash\$dollar\\",
    "a:b",
    "a b  c",
    "a;b",
    "; a",
    '"quoted"',
    "'quoted'",
    '"',
    "it's",
    "a,b=c[d]{e}",
    "`id` $(id) @(file) %d !x *y &z",
    "<b>&amp;</b>",
    "".join(map(chr, range(33, 105))),
    "".join(map(chr, range(105, 127))),
]
TEMPLATES = sorted(
    path
    for folder in elements_path().glob("*/os-apply-config")
    for path in folder.rglob("*")
    if path.is_file() and path.suffix != ".oac" and not path.stat().st_mode & 0o100
)


@pytest.fixture(scope="module")
def renderer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("render", AGENTS / "render.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def known() -> Contracts:
    return contracts.load(elements_path())


def render(renderer: ModuleType, folder: Path, file: str, text: str, **values: Any) -> str:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(renderer.render(str(path), {"a": values}))


def option(text: str, folder: Path) -> str:
    path = folder / "read.conf"
    path.write_text(text)
    conf = cfg.ConfigOpts()
    conf.register_opts([cfg.StrOpt("x"), cfg.StrOpt("b"), cfg.StrOpt("d", default="wrong")])
    conf([], default_config_files=[str(path)])
    return str(conf.x)


@pytest.mark.parametrize("value", [*NASTY, " a ", "\u00e4"])
def test_oslo_config(value: str, renderer: ModuleType, tmp_path: Path) -> None:
    text = render(renderer, tmp_path, "a.conf", "[DEFAULT]\nx = {{a.v}}\nb = ok\n", v=value)
    assert option(text, tmp_path) == value


@pytest.mark.parametrize("value", NASTY)
def test_the_account_in_a_url(value: str, renderer: ModuleType, tmp_path: Path) -> None:
    line = "[DEFAULT]\nx = mysql+pymysql://{{a.user}}:{{a.v}}@{{a.host}}:3306/{{a.name}}\n"
    values = {"user": value, "v": value, "host": "10.0.0.1", "name": "glance"}
    url = urlsplit(option(render(renderer, tmp_path, "a.conf", line, **values), tmp_path))
    assert (url.hostname, url.port, url.path, url.query) == ("10.0.0.1", 3306, "/glance", "")
    assert unquote(url.password or "") == unquote(url.username or "") == value


def test_other_parts_of_a_url(renderer: ModuleType, tmp_path: Path) -> None:
    text = render(renderer, tmp_path, "a.conf", "x = http://{{a.v}}:5000/v3\n", v="10.0.0.1")
    assert text == "x = http://10.0.0.1:5000/v3\n"
    text = render(renderer, tmp_path, "a.conf", "x = http://h/{{a.v}} y\n", v="a/b c?d#e@f")
    assert text == "x = http://h/a/b%20c%3Fd%23e%40f y\n"
    text = render(renderer, tmp_path, "a.conf", "x = http://{{a.v}}/\n", v="u:p@evil")
    assert urlsplit(text.split()[2]).username is None
    # A value that is a URL itself stays one.
    text = render(renderer, tmp_path, "a.conf", "x = {{a.v}}/v1\n", v="http://h:1/a")
    assert text == "x = http://h:1/a/v1\n"


@pytest.mark.parametrize("value", NASTY)
def test_json(value: str, renderer: ModuleType, tmp_path: Path) -> None:
    text = render(renderer, tmp_path, "a.json", '{"x": "{{a.v}}", "n": {{a.n}}}', v=value, n=5)
    assert json.loads(text) == {"x": value, "n": 5}


@pytest.mark.parametrize("value", NASTY)
def test_environment(value: str, renderer: ModuleType, tmp_path: Path) -> None:
    text = render(renderer, tmp_path, "a.env", "X={{a.v}}\n", v=value)
    name, _, quoted = text.strip().partition("=")
    # In the double quotes of POSIX, a backslash also quotes ` and $, which shlex does not know.
    assert (name, shlex.split(re.sub(r"\\([`$])", r"\1", quoted))) == ("X", [value])
    inside = re.sub(r"\\.", "", quoted)
    assert not re.search(r"[`$]", inside)


@pytest.mark.parametrize("value", NASTY)
def test_erlang(value: str, renderer: ModuleType, tmp_path: Path) -> None:
    text = render(renderer, tmp_path, "a.config", '<<"{{a.v}}">>', v=value)
    assert re.fullmatch(r'<<"([^"\\]|\\["\\])*">>', text)
    assert re.sub(r"\\(.)", r"\1", text[3:-3]) == value


@pytest.mark.parametrize(
    "name", ["a.conf", "a.env", "a.config", "x.cnf", "etc/memcached.conf", "x"]
)
@pytest.mark.parametrize("value", ["Secr3t\nx = y", "Secr3t\r", "Secr3t\x00", "Secr3t\ue000"])
def test_what_a_file_cannot_hold(
    name: str, value: str, renderer: ModuleType, tmp_path: Path
) -> None:
    with pytest.raises(config_exception.ConfigException, match=r"a\.v cannot be") as error:
        render(renderer, tmp_path, name, "x = {{a.v}}\n", v=value)
    assert "Secr3t" not in str(error.value)


@pytest.mark.parametrize("name", ["x.cnf", "x/uwsgi.ini", "rabbitmq.conf", "config.yml"])
def test_files_with_rules_of_their_own_take_words(
    name: str, renderer: ModuleType, tmp_path: Path
) -> None:
    assert render(renderer, tmp_path, name, "x = {{a.v}}", v="/a/b-1.2:3") == "x = /a/b-1.2:3"
    for value in NASTY:
        if re.search(r"[#$%;'\" ]", value):
            with pytest.raises(config_exception.ConfigException):
                render(renderer, tmp_path, name, "x = {{a.v}}", v=value)


def test_other_values_and_sections(renderer: ModuleType, tmp_path: Path) -> None:
    text = "{{#a.list}}x = {{name}}\n{{/a.list}}{{^a.no}}n = {{a.n}} {{a.t}} {{{a.raw}}}{{/a.no}}"
    values = {"list": [{"name": "$1"}, {"name": "b"}], "n": 5, "t": True, "no": False, "raw": "$"}
    found = render(renderer, tmp_path, "a.conf", text, **values)
    assert found == "x = \\$1\nx = b\nn = 5 true $"
    found = render(
        renderer, tmp_path, "a.conf", "x = {{a.null}}{{a.gone}}|{{a.l}}", null=None, l=[1]
    )
    assert found == "x = |[1]"


def undercloud(known: Contracts, value: str) -> dict[str, Any]:
    cloud = cloudfile.load(examples_path() / "undercloud.yaml", known)
    plan = resolve(cloud, known)
    role = cloud.roles["undercloud"]
    values = LiteralValues(plan, role, 0, dict.fromkeys(plan.secrets, value))
    return metadata.tree(plan, role, values.value, values.own)


def everything(tree: dict[str, Any], known: Contracts) -> dict[str, Any]:
    """Return the metadata with a value for each key that the undercloud does not have."""
    defaults = {one.name: one.value for one in known.keys.values()}
    missing = metadata.nested(
        {key: value if isinstance(value, str | int) else "x" for key, value in defaults.items()}
    )
    return {**missing, **tree}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_every_template_can_hold_its_secrets(
    template: Path, renderer: ModuleType, known: Contracts
) -> None:
    """A template that pastes a secret where it cannot be encoded fails here."""
    nasty = "".join(NASTY)[:71]
    tree = everything(undercloud(known, nasty), known)
    text = renderer.render(str(template), tree)
    for url in re.findall(r"\w[\w+.-]*://[^\s\"']*@[^\s\"']*", text):
        assert urlsplit(url).hostname == "192.168.24.1"
        assert unquote(urlsplit(url).password or "") == nasty
    assert ("@" in text) or nasty not in text or template.suffix not in (".conf", ".ini")


def test_services_read_what_the_secret_is(
    renderer: ModuleType, known: Contracts, tmp_path: Path
) -> None:
    for value in NASTY:
        tree = everything(undercloud(known, value), known)
        glance = next(path for path in TEMPLATES if path.name == "glance-api.conf")
        (tmp_path / "glance-api.conf").write_text(renderer.render(str(glance), tree))
        conf = cfg.ConfigOpts()
        conf.register_opt(cfg.StrOpt("password"), "keystone_authtoken")
        conf.register_opt(cfg.StrOpt("connection"), "database")
        conf([], default_config_files=[str(tmp_path / "glance-api.conf")])
        assert conf.keystone_authtoken.password == value
        url = urlsplit(conf.database.connection)
        assert (url.hostname, unquote(url.password or "")) == ("192.168.24.1", value)


def test_it_is_os_apply_config(renderer: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "t/etc").mkdir(parents=True)
    (tmp_path / "t/etc/a.conf").write_text("x = {{a.v}}\n")
    (tmp_path / "t/etc/a.conf.oac").write_text("mode: 0600\n")
    (tmp_path / "t/etc/b").write_text("#!/bin/sh\nexec cat\n")
    (tmp_path / "t/etc/b").chmod(0o755)
    (tmp_path / "m.json").write_text(json.dumps({"a": {"v": "$x"}}))
    arguments = ["--templates", tmp_path / "t", "--output", tmp_path / "out"]
    arguments += ["--metadata", tmp_path / "m.json"]
    assert renderer.main(["os-apply-config", *map(str, arguments)]) == 0
    assert (tmp_path / "out/etc/a.conf").read_text() == "x = \\$x\n"
    assert json.loads((tmp_path / "out/etc/b").read_text()) == {"a": {"v": "$x"}}
    (tmp_path / "m.json").write_text(json.dumps({"a": {"v": "x\ny"}}))
    assert renderer.main(["os-apply-config", *map(str, arguments)]) == 1
    assert (tmp_path / "out/etc/a.conf").read_text() == "x = \\$x\n"
