# SPDX-License-Identifier: Apache-2.0
"""The units that ``devtest status`` shows: those of the contracts, which the elements do have."""

import re

import pytest

from altostratus.datafiles import elements_path
from devtest import overview
from generator import contracts
from imagebuild import elementspath

ELEMENTS = elements_path()
LOADED = contracts.load(ELEMENTS).by_name
FOLDERS = elementspath.folders([ELEMENTS])
# A build fails unless the image has them, because os-config-hooks disables them.
PACKAGED = {"docker-registry", "mariadb", "memcached", "rabbitmq-server"}
"""Units whose files come with the packages of the distribution."""


def own(name: str) -> set[str]:
    """Units whose files the element brings."""
    return {path.stem for path in ELEMENTS.glob(f"{name}/systemd/*.service")}


@pytest.mark.parametrize("name", sorted(LOADED))
def test_every_unit_of_a_contract_exists(name: str) -> None:
    closure = contracts.element_closure(name, FOLDERS)
    there = {unit for element in closure for unit in own(element)}
    # hypervisor@lxc is an instance of hypervisor@.
    others = [unit for unit in LOADED[name].units if re.sub("@.*", "@", unit) not in there]
    assert set(others) <= PACKAGED


def test_status_asks_for_all_of_them() -> None:
    shown = overview.units()
    assert {"docker.service", "ironic.service", "ovs-bridges.service"} <= set(shown)
    assert f"{overview.CONFIGURATION}.service" in shown
    assert len(shown) == len(set(shown))
