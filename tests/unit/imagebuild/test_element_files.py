# SPDX-License-Identifier: Apache-2.0
import os
import runpy
import socket
from pathlib import Path

import pytest

from altostratus import datafiles
from altostratus.errors import InputError
from imagebuild import elementfiles, elements


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


def test_targets_of_links_count_outside_the_element_too(own_elements: Path) -> None:
    tiny, shared = own_elements / "tiny", own_elements.parent / "shared"
    (shared / "deep").mkdir(parents=True)
    (shared / "hook").write_text("1")
    (shared / "deep" / "file").write_text("1")
    (tiny / "install.d" / "60-relative").symlink_to("../../../shared/hook")
    (tiny / "install.d" / "61-absolute").symlink_to(shared / "hook")
    (tiny / "data").symlink_to(shared)
    (tiny / "tests").mkdir()
    (tiny / "tests" / "hook").write_text("1")
    (tiny / "install.d" / "62-left-out").symlink_to("../tests/hook")

    def changed(path: Path) -> set[str]:
        before = elements.file_digests({"tiny": tiny})
        path.write_text(path.read_text() + "2")
        after = elements.file_digests({"tiny": tiny})
        assert before.keys() == after.keys()
        return {name for name in before if before[name] != after[name]}

    links = {"tiny/install.d/60-relative", "tiny/install.d/61-absolute", "tiny/data/hook"}
    assert changed(shared / "hook") == links
    assert changed(shared / "deep" / "file") == {"tiny/data/deep/file"}
    assert changed(tiny / "tests" / "hook") == {"tiny/install.d/62-left-out"}
    elementfiles.copy(tiny, own_elements.parent / "copy")
    copied = own_elements.parent / "copy"
    assert (copied / "data" / "deep" / "file").read_text() == "12"
    assert not (copied / "install.d" / "60-relative").is_symlink()


def test_links_about_the_image_stay_links(own_elements: Path, tmp_path: Path) -> None:
    static = own_elements / "tiny" / "static" / "etc"
    static.mkdir(parents=True)
    (static / "masked.service").symlink_to("/dev/null")
    (static / "localtime").symlink_to("/usr/share/zoneinfo/UTC")
    (static / "nowhere").symlink_to("../run/nowhere")
    (static / "all").symlink_to("/")
    (own_elements / "tiny" / "null").symlink_to("/dev/null")
    digests = elements.file_digests({"tiny": own_elements / "tiny"})
    assert digests["tiny/static/etc/localtime"] == "link to /usr/share/zoneinfo/UTC"
    assert digests["tiny/static/etc/masked.service"] == "link to /dev/null"
    elementfiles.copy(own_elements / "tiny", tmp_path / "copy")
    assert {
        path.name for path in (tmp_path / "copy/static/etc").iterdir() if path.is_symlink()
    } == {
        "masked.service",
        "localtime",
        "nowhere",
        "all",
    }
    assert (tmp_path / "copy" / "null").readlink() == Path("/dev/null")


def test_version_control_and_editors_files_are_no_inputs(
    own_elements: Path, tmp_path: Path
) -> None:
    tiny = own_elements / "tiny"
    before = elements.file_digests({"tiny": tiny})
    for name in (
        *(".git/HEAD", "install.d/.50-tiny.swp", "install.d/50-tiny~", "install.d/#50-tiny#"),
        *("__pycache__/a.cpython-311.pyc", "install.d/50-tiny.orig", ".gitignore"),
    ):
        (tiny / name).parent.mkdir(exist_ok=True)
        (tiny / name).write_text("x")
    # Emacs' lock.
    (tiny / "install.d" / ".#50-tiny").symlink_to("me@host.123:456")
    assert elements.file_digests({"tiny": tiny}) == before
    elementfiles.copy(tiny, tmp_path / "copy")
    left = {path.name for path in (tmp_path / "copy").rglob("*")}
    assert left == {"element-deps", "install.d", "50-tiny"}


def test_documentation_below_the_top_is_content(own_elements: Path) -> None:
    static = own_elements / "tiny" / "static" / "tests"
    static.mkdir(parents=True)
    (static / "README.rst").write_text("installed")
    assert "tiny/static/tests/README.rst" in elements.file_digests({"tiny": own_elements / "tiny"})


def test_every_mode_counts(own_elements: Path, tmp_path: Path) -> None:
    tiny = own_elements / "tiny"
    hook, directory = tiny / "install.d" / "50-tiny", tiny / "install.d"
    seen = []
    for path, mode in ((hook, 0o755), (hook, 0o744), (hook, 0o700), (directory, 0o700)):
        path.chmod(mode)
        seen.append(tuple(elements.file_digests({"tiny": tiny}).items()))
    assert len(set(seen)) == 4
    elementfiles.copy(tiny, tmp_path / "copy")
    assert (tmp_path / "copy/install.d").stat().st_mode & 0o777 == 0o700
    assert elements.file_digests({"tiny": tmp_path / "copy"}) == dict(seen[-1])


def test_what_cannot_be_read_is_refused_at_once(own_elements: Path) -> None:
    """No hang at a named pipe, no endless walk; everything is named."""
    tiny = own_elements / "tiny"
    os.mkfifo(tiny / "install.d" / "pipe")
    os.mkfifo(own_elements / "other" / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        before = Path.cwd()
        os.chdir(tiny)
        listening.bind("socket")
        os.chdir(before)
    (tiny / "loop").symlink_to("..")
    (tiny / "install.d" / "up").symlink_to(own_elements)
    # These lead nowhere, or to what is there anyway.
    (tiny / "self").symlink_to("self")
    (tiny / "install.d" / "hooks").symlink_to(".")
    with pytest.raises(InputError) as caught:
        elements.file_digests({"tiny": tiny, "other": own_elements / "other"})
    assert caught.value.message.splitlines() == [
        f"{tiny}/install.d/pipe is a named pipe",
        f"{tiny}/install.d/up: the symbolic link leads back to a directory that it is in",
        f"{tiny}/loop: the symbolic link leads back to a directory that it is in",
        f"{tiny}/socket is a socket",
        f"{own_elements}/other/pipe is a named pipe",
    ]


def test_links_between_two_directories_outside_end(own_elements: Path) -> None:
    one, two = own_elements.parent / "one", own_elements.parent / "two"
    for path in (one, two):
        path.mkdir()
    (one / "two").symlink_to("../two")
    (two / "one").symlink_to("../one")
    (own_elements / "tiny" / "one").symlink_to(one)
    with pytest.raises(InputError, match="leads back"):
        elements.file_digests({"tiny": own_elements / "tiny"})


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
