# SPDX-License-Identifier: Apache-2.0
"""The units that ``devtest status`` shows: those of the contracts, which the elements do have."""

import re
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path
from devtest import overview
from generator import contracts

ELEMENTS = elements_path()
LOADED = contracts.load(ELEMENTS).by_name
# How elements name the units of their packages: they start when they are configured.
DISABLED = re.compile(r"^systemctl disable (.*)$", re.M)


def listed(name: str) -> list[str]:
    node = LOADED[name].node.get("units")
    return list(node.plain()) if node else []


def own(name: str) -> set[str]:
    """Units whose files the element brings."""
    return {path.stem for path in ELEMENTS.glob(f"{name}/systemd/*.service")}


def packaged(name: str) -> set[str]:
    hooks: list[Path] = sorted(ELEMENTS.glob(f"{name}/post-install.d/*"))
    lines = [line for hook in hooks for line in DISABLED.findall(hook.read_text())]
    return {word.removesuffix(".service") for line in lines for word in line.split()}


@pytest.mark.parametrize("name", sorted(LOADED))
def test_every_unit_of_a_contract_exists(name: str) -> None:
    there: set[str] = packaged(name)
    for element in contracts.element_closure(ELEMENTS / name):
        there |= own(element)
    # hypervisor@lxc is an instance of hypervisor@.
    assert [unit for unit in listed(name) if re.sub("@.*", "@", unit) not in there] == []


@pytest.mark.parametrize("name", sorted(LOADED))
def test_every_unit_of_an_element_is_in_its_contract(name: str) -> None:
    assert {unit for unit in own(name) if not unit.endswith("@")} <= set(listed(name))


def test_status_asks_for_all_of_them() -> None:
    shown = overview.units()
    assert {"docker.service", "ironic.service", "ovs-bridges.service"} <= set(shown)
    assert f"{overview.CONFIGURATION}.service" in shown
    assert len(shown) == len(set(shown))
