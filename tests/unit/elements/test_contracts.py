# SPDX-License-Identifier: Apache-2.0
"""Our elements against their contracts: the checks of check-elements find nothing."""

import pytest

from altostratus.datafiles import elements_path
from generator import cloudfile, contracts, elements
from generator.cloudfile import services
from generator.contracts.model import Contracts
from generator.elements.instance import with_needs
from generator.plan.resolve import resolve
from imagebuild import elementspath
from imagebuild.elements import search_path

NAMES = sorted(elementspath.folders([elements_path()]))
# diskimage-builder's elements are what ours depend on.
FOLDERS = elementspath.folders(search_path())


@pytest.fixture(scope="module")
def loaded() -> Contracts:
    return contracts.load(elements_path())


def test_contracts_agree(loaded: Contracts) -> None:
    assert loaded.services


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_an_element(name: str, loaded: Contracts) -> None:
    found = elements.check(elements.Element(FOLDERS[name], FOLDERS, loaded))
    assert not list(map(str, found))


@pytest.mark.parametrize("name", sorted(contracts.load(elements_path()).services))
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
