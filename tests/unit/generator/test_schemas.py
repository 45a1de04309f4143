# SPDX-License-Identifier: Apache-2.0
"""The JSON Schemas for editors, tried by another implementation than ours on real and bad files."""

import json
import shutil
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from altostratus.datafiles import elements_path, examples_path, schemas_path
from altostratus.yamlfile.kinds import FILES
from generator import generate

GOLDEN = Path(__file__).parents[2] / "golden"
CONTRACT = {"service": "a", "summary": "x"}
KEY = {"type": "string", "description": "x", "default": "y"}
NODE = {"pm_type": "redfish", "mac": ["52:54:00:00:00:01"]}


def load(path: Path) -> Any:
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


def schema(kind: str) -> dict[str, Any]:
    content: dict[str, Any] = load(schemas_path() / f"{kind}.json")
    return content


def is_valid(kind: str, content: object) -> bool:
    return jsonschema.Draft202012Validator(schema(kind)).is_valid(content)


def good(kind: str, tmp_path: Path) -> list[Path]:
    """Return files of a kind that are right: examples, contracts, what was generated."""
    if kind == "secrets":
        generate.generate(examples_path() / "overcloud.yaml", tmp_path)
    found = {
        "cloud": list(examples_path().glob("*.yaml")),
        "service": list(elements_path().glob("*/service.yaml")),
        "secrets": [tmp_path / "secrets.yaml"],
        "images": list(GOLDEN.rglob("images.yaml")),
        "networks": list(GOLDEN.rglob("networks.json")),
        "flavors": list(GOLDEN.rglob("flavors.json")),
    }
    return found.get(kind, [])


@pytest.mark.parametrize("kind", FILES)
def test_each_is_a_schema_with_an_identity(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(kind))
    assert schema(kind)["$id"] == f"urn:altostratus:schema:{kind}"
    monkeypatch.delenv("ELEMENTS_PATH", raising=False)
    assert generate.main(["--schema", kind]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["$id"] == f"urn:altostratus:schema:{kind}"
    assert {**schema(kind), "title": ""} == {**printed, "title": ""}


def test_there_is_one_for_each_kind() -> None:
    assert {path.stem for path in schemas_path().iterdir()} == FILES.keys()


@pytest.mark.parametrize("kind", ["cloud", "service", "secrets", "images", "networks", "flavors"])
def test_real_files_are_valid(kind: str, tmp_path: Path) -> None:
    files = good(kind, tmp_path)
    assert files
    validator = jsonschema.Draft202012Validator(schema(kind))
    wrong = [
        f"{path}: {error.message}" for path in files for error in validator.iter_errors(load(path))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("manifest", {"images": [{"name": "a", "file": "a.raw", "sha512": "00", "size": 1}]}),
        ("heat-env", {"overcloud-hypervisor": "lxc", "parameters": {"KeystoneCount": 2}}),
        ("nodes", {"nodes": []}),
        ("service", {**CONTRACT, "keys": {"a.b": {**KEY, "type": ["string", "null"]}}}),
        ("service", {**CONTRACT, "keys": {"a.b": {**KEY, "items": {"properties": {"x": {}}}}}}),
    ],
)
def test_small_files_are_valid(kind: str, content: object) -> None:
    jsonschema.validate(content, schema(kind))


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("cloud", {"name": "x"}),
        ("manifest", {"images": [{"name": "a"}]}),
        ("heat-env", {"parameters": 5}),
        ("heat-env", {"paramters": {}}),
        ("nodes", {"nodes": {}}),
        ("nodes", {"nodes": [{}]}),
        ("images", {"images": []}),
        ("images", {"images": [{"name": "a"}]}),
        ("networks", {"networks": [{"name": "a"}]}),
        ("flavors", {"flavors": [{"name": 5}]}),
        ("secrets", {"parameters": {"A": "x"}}),
        ("secrets", {"parameter_defaults": {"A": 5}}),
        ("service", {"service": "a"}),
        ("service", {**CONTRACT, "keys": {"a.b": {**KEY, "type": "integr"}}}),
        ("service", {**CONTRACT, "keys": {"a.b": {**KEY, "items": {"type": "integr"}}}}),
        ("service", {**CONTRACT, "units": ["a.service"]}),
    ],
)
def test_bad_files_are_not_valid(kind: str, content: object) -> None:
    assert not is_valid(kind, content)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("services: [mariadb]", "services: [mariadbb]"),
        ("memory_mb: 64", "memory_bm: 64"),
        ("memory_mb: 64", "memory_mb: many"),
        ("memcached: {", "mcemached: {"),
    ],
)
def test_services_and_keys_are_checked(old: str, new: str) -> None:
    text = (
        "{name: x, hypervisors: [lxc], networks: {ctlplane: {cidr: 10.0.0.0/24}}, "
        "roles: {db: {services: [mariadb]}, m: {config: {memcached: {memory_mb: 64}}, "
        "services: [infrastructure, -mariadb]}}}"
    )
    assert is_valid("cloud", yaml.safe_load(text))
    assert old in text
    assert not is_valid("cloud", yaml.safe_load(text.replace(old, new)))


def test_what_an_editor_completes_has_descriptions() -> None:
    role = schema("cloud")["properties"]["roles"]["additionalProperties"]["properties"]
    words = role["services"]["items"]
    shown = dict(zip(words["enum"], words["enumDescriptions"], strict=True))
    assert shown["memcached"] == "Cache of tokens and catalogue"
    assert {"control", "-memcached"} <= shown.keys()
    key = role["config"]["properties"]["memcached"]["properties"]["memory_mb"]
    assert key["description"] == "Memory for cached items, MiB"
    assert (key["type"], key["default"]) == ("integer", 64)


def test_secrets_have_no_default() -> None:
    text = json.dumps(schema("cloud"))
    assert "{secret:" not in text


def test_elements_of_ones_own_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(elements_path() / "memcached", tmp_path / "valkey")
    contract = tmp_path / "valkey/service.yaml"
    contract.write_text(contract.read_text().replace("memcached", "valkey"))
    monkeypatch.setenv("ELEMENTS_PATH", str(tmp_path))
    assert generate.main(["--schema"]) == 0
    printed = json.loads(capsys.readouterr().out)
    role = printed["properties"]["roles"]["additionalProperties"]["properties"]
    assert "valkey" in role["services"]["items"]["enum"]
    assert "memory_mb" in role["config"]["properties"]["valkey"]["properties"]


@pytest.mark.parametrize("arguments", [["--schema", "cluod"], ["--schema", "cloud", "x.yaml"]])
def test_wrong_arguments(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(generate.main(arguments))
    assert caught.value.code == 2
