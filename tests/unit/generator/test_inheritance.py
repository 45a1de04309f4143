# SPDX-License-Identifier: Apache-2.0
"""Contracts that extend another: which keys they get, and what is wrong with them."""

from pathlib import Path

import pytest

from altostratus.yamlfile.problems import InvalidInputError
from generator import contracts
from generator.contracts.model import Contracts, Health

BASE = """service: common
summary: What agents share
base: true
keys:
  common.debug: {type: boolean, description: Verbose, default: false}
  "{service}.host": {type: string, description: Name of the agent}
  "{service}.path": {type: string, description: Directory, default: "/var/lib/{service}"}
  "{service}.ratio": {type: number, exclusiveMinimum: 0, description: Overcommit, default: 4.0}
"""
AGENT = "service: agent-a\nsummary: An agent\nextends: common\n"


def load(folder: Path, agent: str, base: str = BASE) -> Contracts:
    for name, text in (("common", base), ("agent-a", agent)):
        (folder / name).mkdir()
        (folder / name / "service.yaml").write_text(text)
    return contracts.load(folder)


def problems(folder: Path, agent: str, base: str = BASE) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        load(folder, agent, base)
    return [
        f"{Path(one.mark.file).parent.name}:{one.mark.line}: {one.message}"
        for one in error.value.problems
    ]


def test_keys_of_the_base_get_the_name_of_the_service(tmp_path: Path) -> None:
    agent = """keys:
  agent-a.host: {value: "{self:name}-a"}
  agent-a.ratio: {description: Of memory, default: 1.0}
  agent-a.extra: {type: string, description: Its own, default: x}
"""
    known = load(tmp_path, AGENT + agent)
    assert set(known.by_name["common"].keys) == {"common.debug"}
    keys = known.by_name["agent-a"].keys
    assert set(keys) == {f"agent-a.{leaf}" for leaf in ("host", "path", "ratio", "extra")}
    assert keys["agent-a.path"].value == "/var/lib/agent-a"
    assert keys["agent-a.ratio"].schema == {"type": "number", "exclusiveMinimum": 0}
    assert (keys["agent-a.ratio"].value, keys["agent-a.ratio"].description) == (1.0, "Of memory")
    assert keys["agent-a.host"].description == "Name of the agent"


def test_an_override_replaces_the_source_of_the_value(tmp_path: Path) -> None:
    agent = """keys:
  agent-a.host: {required: true}
  agent-a.path: {value: "/srv/{self:name}"}
"""
    keys = load(tmp_path, AGENT + agent).by_name["agent-a"].keys
    assert keys["agent-a.host"].required
    assert str(keys["agent-a.path"].value) != "/var/lib/agent-a"


def test_a_key_without_a_source_must_be_completed(tmp_path: Path) -> None:
    found = problems(tmp_path, AGENT)
    expected = "common:6: agent-a.host: one of value, default, required: true; not none"
    assert found == [expected]


def test_an_override_is_checked_like_the_whole_key(tmp_path: Path) -> None:
    agent = "keys: {agent-a.host: {default: x}, agent-a.ratio: {default: 0}}\n"
    assert problems(tmp_path, AGENT + agent) == [
        "agent-a:4: agent-a.ratio: 0 is not more than 0",
    ]


@pytest.mark.parametrize(
    ("agent", "base"),
    [
        (AGENT.replace("common", "comon"), BASE),
        (AGENT, BASE.replace("base: true", "base: false")),
    ],
)
def test_the_base_must_be_a_base_contract(tmp_path: Path, agent: str, base: str) -> None:
    name = "comon" if "comon" in agent else "common"
    expected = f"agent-a:3: extends: there is no base contract '{name}'"
    assert problems(tmp_path, agent, base) == [expected]


def test_health_has_a_path(tmp_path: Path) -> None:
    agent = """health: [{name: the API, port: 80}, {name: the other, port: 81, path: /v2}]
keys: {agent-a.host: {default: x}}
"""
    checks = load(tmp_path, AGENT + agent).by_name["agent-a"].health
    assert checks == (Health("the API", 80, "/"), Health("the other", 81, "/v2"))
