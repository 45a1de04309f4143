# SPDX-License-Identifier: Apache-2.0
import runpy
from pathlib import Path

import pytest

from altostratus import datafiles
from altostratus.errors import InputError
from imagebuild import elements


def closure(*names: str) -> dict[str, Path]:
    return elements.closure(["debian-minimal", *names], elements.search_path())


def test_own_elements_come_first(own_elements: Path) -> None:
    (own_elements / "keystone").mkdir()
    assert closure("keystone")["keystone"] == own_elements / "keystone"
    assert elements.search_path()[1] == datafiles.elements_path()


def test_dependencies_are_resolved(own_elements: Path) -> None:
    assert {"tiny", "package-installs", "pkg-map", "debootstrap"} <= set(closure("tiny"))


def test_unknown_element_is_named_with_the_nearest(own_elements: Path) -> None:
    with pytest.raises(InputError) as caught:
        closure("tinny", "tiny", "zzz")
    assert caught.value.message.splitlines() == [
        "there is no element tinny; did you mean tiny?",
        "there is no element zzz",
    ]
    (own_elements / "tiny/element-deps").write_text("oter\n")
    with pytest.raises(InputError, match="there is no element oter; did you mean other?"):
        closure("tiny")


def test_two_operating_systems_do_not_fit(own_elements: Path) -> None:
    with pytest.raises(InputError, match="do not fit together"):
        closure("ubuntu-minimal")


def test_missing_directory_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ELEMENTS_PATH", "/no/such/directory")
    with pytest.raises(InputError, match="/no/such/directory"):
        closure()


def test_digests_cover_content_mode_and_links(own_elements: Path) -> None:
    tiny = {"tiny": own_elements / "tiny"}
    hook = own_elements / "tiny" / "install.d" / "50-tiny"
    first = elements.file_digests(tiny)
    assert list(first) == ["tiny/element-deps", "tiny/install.d/50-tiny"]
    hook.chmod(0o644)
    second = elements.file_digests(tiny)
    hook.write_text("#!/bin/bash\nexit 1\n")
    third = elements.file_digests(tiny)
    hook.unlink()
    hook.symlink_to("../element-deps")
    fourth = elements.file_digests(tiny)
    values = [d["tiny/install.d/50-tiny"] for d in (first, second, third, fourth)]
    assert len(set(values)) == 4


def test_documentation_and_contract_do_not_count(own_elements: Path) -> None:
    tiny = own_elements / "tiny"
    before = elements.file_digests({"tiny": tiny})
    (tiny / "README.rst").write_text("changed")
    (tiny / "service.yaml").write_text("service: tiny\n")
    (tiny / "tests").mkdir()
    (tiny / "tests" / "test").write_text("x")
    assert elements.file_digests({"tiny": tiny}) == before


def test_of_a_contract_only_what_is_built_in_counts(own_elements: Path) -> None:
    tiny = own_elements / "tiny"

    def digest(text: str) -> str | None:
        (tiny / "service.yaml").write_text(text)
        return elements.file_digests({"tiny": tiny}).get("tiny/service.yaml")

    contract = "service: tiny\nsummary: {}\nunits: [{}]\n"
    first = digest(contract.format("A service", "tiny"))
    assert first == digest(contract.format("Another summary", "tiny"))
    assert first != digest(contract.format("A service", "tiny, other"))
    assert first != digest(contract.format("A service", "tiny") + "health: [{name: x, port: 1}]\n")
    with pytest.raises(InputError, match="not YAML"):
        digest("units: [tiny\n")


def test_builds_read_contracts_in_one_place() -> None:
    """And of them just the fields that are in the digests."""
    root = datafiles.elements_path()
    programs = [path for path in root.glob("*/*.d/*") if path.is_file()]
    programs += root.glob("*/*.py")
    readers = [p.name for p in programs if '"service.yaml' in p.read_text(errors="replace")]
    assert readers == ["collect_contracts.py"]
    collector = runpy.run_path(str(root / "os-config-hooks/collect_contracts.py"))
    assert collector["FIELDS"] == elements.CONTRACT_FIELDS


def test_elements_that_run_in_every_layer(own_elements: Path) -> None:
    tiny = own_elements / "tiny"
    assert elements.runs_in_every_layer("package-installs", tiny)
    assert not elements.runs_in_every_layer("tiny", tiny)
    (tiny / elements.MARKER).touch()
    assert elements.runs_in_every_layer("tiny", tiny)


def test_list_of_such_elements_is_of_this_diskimage_builder() -> None:
    known = {path.name for path in elements.search_path()[-1].iterdir()}
    assert known >= elements.EVERY_LAYER
