# SPDX-License-Identifier: Apache-2.0
import re
from dataclasses import replace
from pathlib import Path

import pytest

from altostratus import datafiles
from imagebuild import recipes
from imagebuild.elements import search_path
from imagebuild.images import Image
from imagebuild.recipes import Recipe, base_recipe, changes, image_recipe

ELEMENTS = datafiles.elements_path()
TINY = Image("t-tiny-lxc", "tiny", "lxc", "bookworm", ("tiny",))


def tiny() -> Recipe:
    return image_recipe(TINY, base_recipe("bookworm", search_path()), search_path())


def test_layers_share_out_the_elements(own_elements: Path) -> None:
    recipe = tiny()
    assert recipe.parent
    assert recipe.wanted == ("tiny", "target-lxc")
    assert {"debian-minimal", "debootstrap", "instance-base"} <= set(recipe.inside)
    assert {"package-installs", "pkg-map", "dpkg", "directory-image"} <= set(recipe.again)
    assert not set(recipe.inside) & set(recipe.elements)
    assert {"tiny", "target-lxc", *recipe.again} <= set(recipe.elements)
    assert set(recipe.parent.elements) >= set(recipe.inside)


def test_an_element_of_the_base_may_be_listed_again(own_elements: Path) -> None:
    base = base_recipe("bookworm", search_path())
    image = replace(TINY, elements=("os-config-agents", "tiny"))
    assert image_recipe(image, base, search_path()).wanted == ("tiny", "target-lxc")


def test_same_inputs_give_the_same_key(own_elements: Path) -> None:
    assert tiny().key == tiny().key
    assert len(tiny().key) == 64
    # A role of another name with the same services is the same image.
    base = base_recipe("bookworm", search_path())
    renamed = replace(TINY, name="other", role="other", parameter="X")
    assert image_recipe(renamed, base, search_path()).key == tiny().key


def test_what_changes_the_key(own_elements: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = {tiny().key}
    (own_elements / "tiny" / "install.d" / "50-tiny").write_text("#!/bin/sh\n")
    keys.add(tiny().key)
    (own_elements / "tiny" / "package-installs.yaml").write_text("memcached:\n")
    keys.add(tiny().key)
    (own_elements / "tiny" / "element-deps").write_text("package-installs\nother\n")
    keys.add(tiny().key)
    monkeypatch.setattr(recipes, "OPTIONS", {**recipes.OPTIONS, "DIB_X": "1"})
    keys.add(tiny().key)
    monkeypatch.setattr(recipes, "FORMAT", "next")
    keys.add(tiny().key)
    keys.add(base_recipe("trixie", search_path()).key)
    assert len(keys) == 7


def test_a_changed_base_changes_the_image(own_elements: Path) -> None:
    before = tiny()
    (own_elements / "instance-base").mkdir()
    after = tiny()
    assert before.key != after.key
    assert any(line.startswith("instance-base/") for line in changes(before.inputs, after.inputs))


def test_packages_that_an_element_installs_are_part_of_the_key(own_elements: Path) -> None:
    assert not any(name.startswith("novadrivers/") for name in tiny().inputs)
    (own_elements / "tiny" / "project-packages").write_text("novadrivers\n")
    assert {"novadrivers/shared/network_agent.py", "novadrivers/docker/driver.py"} <= set(
        tiny().inputs
    )


def test_options_are_environment_variables(own_elements: Path) -> None:
    assert tiny().options == {"DIB_RELEASE": "bookworm", **recipes.OPTIONS}


def test_changes_are_told_in_words() -> None:
    old, new = {"a": "1", "b": "1", "c": "1"}, {"b": "1", "c": "2", "d": "1"}
    assert changes(old, new) == ["a is gone", "c changed", "d is new"]
    assert changes(old, old) == []


@pytest.mark.parametrize(
    "hook", sorted(ELEMENTS.glob("*/extra-data.d/*wheel*")), ids=lambda hook: hook.name
)
def test_wheels_are_fetched_for_every_release(hook: Path) -> None:
    assert re.findall(r"^    (\w+)\) python=", hook.read_text(), re.M) == list(recipes.RELEASES)


def test_how_layers_are_stacked_counts(own_elements: Path) -> None:
    """The element that unpacks the layer below is added by the build, and read by it, too."""
    image = Image("t", "tiny", "lxc", "bookworm", ("tiny",))
    recipe = image_recipe(image, base_recipe("bookworm", search_path()), search_path())
    assert "prebuilt-root/root.d/08-prebuilt-root" in recipe.inputs
