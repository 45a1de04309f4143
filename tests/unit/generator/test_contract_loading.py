# SPDX-License-Identifier: Apache-2.0
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from altostratus.datafiles import elements_path
from altostratus.yamlfile.problems import InvalidInputError
from generator import contracts
from generator.contracts.grammar import GROUPS
from generator.contracts.model import Contracts

BASE = "service: {name}\nsummary: A service\n"
KEY = "keys:\n  {key}: {{type: string, description: x, {source}}}\n"


def write(tmp_path: Path, name: str, text: str, deps: str = "") -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / "service.yaml").write_text(BASE.format(name=name) + text)
    (folder / "element-deps").write_text(deps)


def problems(tmp_path: Path) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        contracts.load(tmp_path)
    return [f"{one.mark.line}: {one.message}" for one in error.value.problems]


def test_fixtures(services: Contracts) -> None:
    assert services.groups == {
        "compute": ("compute-lxc",),
        "control": ("glance", "keystone"),
        "infrastructure": ("mariadb", "memcached"),
    }
    assert "compute-common" not in services.services
    assert services.by_name["compute-lxc"].closure == ("compute-common", "compute-lxc")
    assert services.keys["compute-lxc.token"].required
    assert services.secrets["keystone.fernet-key"] == "fernet"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sumary: x\n", "3: unknown key 'sumary'"),
        ("group: cotrol\n", "3: group: 'cotrol' is unknown"),
        ("needs: [nobody]\n", "3: unknown service 'nobody'"),
        ("reads: [b.x]\n", "3: no contract has the key 'b.x'"),
        ("contributes: {b.list: []}\n", "3: no contract has the key 'b.list'"),
        (
            "contributes: {a.x: [1]}\n" + KEY.format(key="a.x", source="default: y"),
            "3: 'a.x' of a is",
        ),
        ("secrets: {a.p: passwrod}\n", "3: a.p: 'passwrod' is unknown"),
        (KEY.format(key="a", source="default: y"), "4: keys: 'a' is not a metadata key"),
        (KEY.format(key="a.x", source="secret: true"), "4: a.x: one of value, default, required"),
        (
            KEY.format(key="a.x", source="default: y, value: z"),
            "4: a.x: one of value, default, req",
        ),
        (KEY.format(key="a.x", source="default: 5"), "4: a.x: 5 is not a string"),
        (
            KEY.format(key="a.x", source="value: '{sceret:a.p}'"),
            "4: a.x: unknown reference {sceret",
        ),
        (KEY.format(key="a.x", source="value: '{secret}'"), "4: a.x: {secret}: a name is missing"),
        (KEY.format(key="a.x", source="value: '{region:x}'"), "4: a.x: {region:x}: a name is not"),
        (
            KEY.format(key="a.x", source="value: 'x{addresses:a}'"),
            "4: a.x: {addresses:a} is a list",
        ),
        (KEY.format(key="a.x", source="value: '{self:nmae}'"), "4: a.x: {self:nmae}: unknown"),
        (
            KEY.format(key="a.x", source="value: '{secret:a.p}'"),
            "4: no contract has the secret 'a.p",
        ),
        (KEY.format(key="a.x", source="value: '{address:b}'"), "4: unknown service 'b'"),
        ("listens: [{port: a.port, scope: service}]\n", "3: no contract has the key 'a.port'"),
        ("listens: [{port: 80, scope: everywhere}]\n", "3: "),
        ("listens: [{port: 0, scope: service}]\n", "3: "),
        ("listens: [{port: any port, scope: service}]\n", "3: "),
        ("listens: [{port: 80}]\n", "3: "),
        (KEY.format(key="a.x", source="default: y, patern: z"), "4: unknown key 'patern'"),
    ],
)
def test_one_contract(text: str, expected: str, tmp_path: Path) -> None:
    write(tmp_path, "a", text)
    assert any(one.startswith(expected) for one in problems(tmp_path)), problems(tmp_path)


RICH = """service: a
summary: A service
group: control
base: false
needs: [b]
max: 1
units: [a-server]
health: [{name: A, port: 80, path: /}]
endpoint: {type: x, name: a, port: 80, path: /v1}
contributes: {b.list: [{x: 1}]}
secrets: {a.p: password}
reads: [b.list]
extends: base
keys:
  a.x:
    type: [object, "null"]
    description: x
    secret: true
    title: an x
    properties: {n: {type: integer, minimum: 0, maximum: 9, exclusiveMinimum: -1}}
    propertyNames: {pattern: "^[a-z]$", minLength: 1}
    additionalProperties: {type: array, items: {enum: [1]}, minItems: 0, maxItems: 3}
    minProperties: 0
    required: true
    examples: [{n: 1}]
  a.y: {type: string, description: y, secret: true, value: "{secret:a.p}@{address:b}"}
  a.z: {default: 5}
"""
OTHERS = {
    "b": BASE.format(name="b") + "keys: {b.list: {type: array, description: x, default: []}}\n",
    "base": BASE.format(name="base")
    + """base: true
keys: {"{service}.z": {type: integer, description: z, default: 1}}
""",
}
WRONG: list[Any] = [
    *(None, True, -1, "integr", "(", "{secret}", [], [[1]], {}, {"a": 1}),
    {"x.y": {"type": "integr"}},
]


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value within ``value``."""
    yield path
    inner: Iterable[tuple[str | int, object]] = ()
    if isinstance(value, dict | list):
        inner = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in inner:
        yield from places(one, (*path, key))


@pytest.mark.parametrize("path", list(places(yaml.safe_load(RICH))), ids=str)
def test_any_wrong_value_is_a_problem_with_a_place(
    path: tuple[str | int, ...], tmp_path: Path
) -> None:
    """And never an internal error, wherever in a contract it is."""
    for name, text in {**OTHERS, "a": RICH}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "service.yaml").write_text(text)
    assert contracts.load(tmp_path)
    for wrong in WRONG:
        content = {"": yaml.safe_load(RICH)}
        at: Any = content
        for key in ("", *path)[:-1]:
            at = at[key]
        at[("", *path)[-1]] = wrong
        text = json.dumps(content[""])
        (tmp_path / "a/service.yaml").write_text(text)
        try:
            contracts.load(tmp_path)
        except InvalidInputError as error:
            assert all(one.mark.line and one.hint for one in error.problems), text


@pytest.mark.parametrize("word", ["default", "items", "properties: {n", "additionalProperties"])
def test_integr_is_named_wherever_a_type_is(word: str, tmp_path: Path) -> None:
    inner = {"default": "", "properties: {n": "properties: {n: {type: integr}}, "}
    inner |= {one: f"{one}: {{type: integr}}, " for one in ("items", "additionalProperties")}
    kind = "integr" if word == "default" else "object"
    key = f"keys: {{a.x: {{type: {kind}, description: x, {inner[word]}default: {{}}}}}}\n"
    write(tmp_path, "a", key)
    with pytest.raises(InvalidInputError) as error:
        contracts.load(tmp_path)
    (problem,) = error.value.problems
    assert problem.message == "type: 'integr' is unknown"
    assert problem.hint == "did you mean 'integer'?"
    assert (problem.mark.line, problem.mark.column) == (3, key.index("integr") + 1)


def test_all_problems_of_all_contracts_come_at_once(tmp_path: Path) -> None:
    """A contract with mistakes is checked for what it still says, and hides none of another."""
    write(tmp_path, "a", "needs: [nobody]\n" + KEY.format(key="a.x", source="default: 5"))
    write(tmp_path, "b", "max: many\nreads: [a.y, a.x]\n")
    write(tmp_path, "c", "needs: [a, b]\nreads: [a.x, b.anything]\n")
    assert problems(tmp_path) == [
        "3: unknown service 'nobody'",
        "5: a.x: 5 is not a string",
        "3: max: 'many' is not a whole number",
        "4: no contract has the key 'a.y'",
    ]


def test_a_key_has_one_owner(tmp_path: Path) -> None:
    write(tmp_path, "a", KEY.format(key="shared.x", source="default: y"))
    write(tmp_path, "b", KEY.format(key="shared.x", source="default: y"))
    assert "4: 'shared.x' is also in the contract of b" in problems(tmp_path)


def test_a_key_is_not_the_beginning_of_another(tmp_path: Path) -> None:
    write(tmp_path, "a", KEY.format(key="n.x", source="default: y"))
    write(tmp_path, "b", KEY.format(key="n.x.y", source="default: y"))
    assert problems(tmp_path) == ["4: 'n.x' is the beginning of another key of b"]


def test_the_service_is_called_like_its_element(tmp_path: Path) -> None:
    write(tmp_path, "a", "")
    (tmp_path / "a").rename(tmp_path / "b")
    assert problems(tmp_path) == ["1: service 'a' in the element 'b'"]


def test_dependencies_may_be_circular(tmp_path: Path) -> None:
    write(tmp_path, "a", "", deps="b\n# comment\ndebian-minimal\n")
    write(tmp_path, "b", "", deps="a")
    assert contracts.load(tmp_path).by_name["a"].closure == ("b", "a")


def test_every_group_has_a_service() -> None:
    assert set(contracts.load(elements_path()).groups) == set(GROUPS)
