# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

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
