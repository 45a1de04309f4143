# SPDX-License-Identifier: Apache-2.0
"""The elements against their contracts: every metadata key that they use is one they get."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path
from generator import cloudfile, contracts
from generator.cloudfile import services
from generator.contracts.model import Contracts
from generator.plan.resolve import resolve

ELEMENTS = elements_path()
FOLDERS = sorted(path for path in ELEMENTS.iterdir() if path.is_dir())
# What every instance has besides its contracts' keys.
COMMON = ("instance", "os-collect-config", "deployments")
TAG = re.compile(
    r"\{\{\{\s*(?P<raw>[^{}]+?)\s*\}\}\}|\{\{(?P<sign>[#^/!>&]?)\s*(?P<name>[^{}]+?)\s*\}\}"
)
SCRIPT_KEY = re.compile(
    r"""(?:(?<![\w./$-])metadata(?:_json)?\s+|os-apply-config\s[^\n]*--key\s+)["']?"""
    r"([a-z][a-z0-9_-]*(?:\.[a-z0-9_-]+)+)"
)


@pytest.fixture(scope="module")
def loaded() -> Contracts:
    return contracts.load(ELEMENTS)


def test_contracts_agree(loaded: Contracts) -> None:
    assert loaded.services


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_used_key_is_supplied(folder: Path, loaded: Contracts) -> None:
    keys = supplied(folder, loaded)
    missing = [
        f"{path.relative_to(ELEMENTS)}:{line}: {key}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for line, key in used_keys(path, keys)
        if key.split(".")[0] not in COMMON
        and key not in keys
        and not any(key.startswith(f"{name}.") and keys[name] for name in keys)
    ]
    assert not missing, "keys that are in no contract of this element:\n" + "\n".join(missing)


@pytest.mark.parametrize("name", sorted(contracts.load(ELEMENTS).services))
def test_what_a_service_needs_is_enough(name: str, loaded: Contracts) -> None:
    """A cloud of the service and what it needs, one instance each, has every key they use."""
    needed = with_needs(name, loaded)
    roles = "".join(f"  r{one}: {{services: [{one}]}}\n" for one in needed)
    networks = "networks: {ctlplane: {cidr: 10.0.0.0/24}}\n"
    text = f"name: x\nhypervisors: [lxc]\n{networks}roles:\n{roles}"
    plan = resolve(cloudfile.parse(text.encode(), name, loaded), loaded)
    for one in needed:
        wanted = set(services.metadata_keys([one], loaded))
        assert wanted <= set(plan.metadata[f"r{one}"]), f"{one}: add the owners to its needs"


def with_needs(name: str, loaded: Contracts) -> list[str]:
    """Return the service and all that it needs, directly or not."""
    found = [name]
    for one in found:
        needs = {need for base in services.closure([one], loaded) for need in base.needs}
        found += sorted(needs - set(found))
    return found


def supplied(folder: Path, loaded: Contracts) -> dict[str, bool]:
    """Return the keys that an instance with this element has; the value: is it a list or map?"""
    own = [
        loaded.by_name[name] for name in contracts.element_closure(folder) if name in loaded.by_name
    ]
    names = [name for one in own for name in (*one.keys, *one.reads)]
    return {name: loaded.keys[name].schema["type"] in ("array", "object") for name in names}


def used_keys(path: Path, keys: Mapping[str, bool]) -> Iterator[tuple[int, str]]:
    """Yield (line, key) for every metadata key in a template or script."""
    # An executable template computes its output from JSON; mustache has nothing to say there.
    if (
        "os-apply-config" in path.parts
        and path.suffix != ".oac"
        and not path.stat().st_mode & 0o100
    ):
        yield from template_keys(path.read_text(encoding="utf-8"), keys)
    elif "os-refresh-config" in path.parts:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not line.lstrip().startswith("#"):
                yield from ((number, match[1]) for match in SCRIPT_KEY.finditer(line))


@dataclass(frozen=True)
class Section:
    name: str
    is_list: bool


def template_keys(text: str, keys: Mapping[str, bool]) -> Iterator[tuple[int, str]]:
    """Yield (line, key) for every mustache tag that reads the metadata and not a list's item."""
    sections: list[Section] = []
    for match in TAG.finditer(text):
        sign, name = match["sign"] or "", match["raw"] or match["name"]
        if sign in ("!", ">"):
            continue
        if sign == "/":
            assert sections and sections[-1].name == name, f"{{{{/{name}}}}} closes nothing"
            sections.pop()
            continue
        inside_list = any(section.is_list for section in sections)
        if name != "." and (not inside_list or "." in name):
            yield text.count("\n", 0, match.start()) + 1, name
        if sign in ("#", "^"):
            is_list = sign == "#" and (inside_list or keys.get(name, False))
            sections.append(Section(name, is_list))
    assert not sections, f"{{{{#{sections[-1].name}}}}} is not closed"


def test_template_keys_understands_sections() -> None:
    keys = {"a.list": True, "a.word": False}
    text = (
        "{{! comment }}{{a.word}}\n{{#a.list}}{{name}} {{{.}}} {{a.word}}{{/a.list}}\n"
        "{{#a.word}}x={{a.typo}}{{/a.word}}{{^a.list}}{{&other}}{{/a.list}}"
    )
    found = list(template_keys(text, keys))
    assert found == [
        (1, "a.word"),
        (2, "a.list"),
        (2, "a.word"),
        (3, "a.word"),
        (3, "a.typo"),
        (3, "a.list"),
        (3, "other"),
    ]


def test_template_keys_refuses_an_open_section() -> None:
    with pytest.raises(AssertionError, match="not closed"):
        list(template_keys("{{#a.b}}", {}))


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ('host=$(metadata keystone.host "")', ["keystone.host"]),
        ('metadata_json "mariadb.databases" | jq', ["mariadb.databases"]),
        ("os-apply-config --type raw --key nova-lxc.state_path", ["nova-lxc.state_path"]),
        ('echo "the metadata service"; other-metadata x.y', []),
    ],
)
def test_script_keys(line: str, keys: list[str]) -> None:
    assert [match[1] for match in SCRIPT_KEY.finditer(line)] == keys
