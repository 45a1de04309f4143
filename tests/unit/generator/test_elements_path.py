# SPDX-License-Identifier: Apache-2.0
"""Elements of one's own: ELEMENTS_PATH in generate-stacks, build-images and the docs."""

import logging
import os
from pathlib import Path

import pytest
import yaml

from altostratus.datafiles import elements_path
from altostratus.errors import InputError
from generator import build_images, contracts, generate
from imagebuild import elementspath
from tools import reference

REDIS = "service: redis\nsummary: Key-value store\n"
CLOUD = """name: store
hypervisors: [lxc]
networks: {ctlplane: {cidr: 192.168.24.0/24}}
roles: {store: {services: [redis]}}
"""


def add(directory: Path, name: str, contract: str = REDIS) -> Path:
    folder = directory / name
    folder.mkdir(parents=True)
    (folder / "service.yaml").write_text(contract)
    return folder


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on ELEMENTS_PATH with the service redis."""
    add(tmp_path / "own", "redis")
    monkeypatch.setenv("ELEMENTS_PATH", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def cloud(tmp_path: Path) -> Path:
    (tmp_path / "store.yaml").write_text(CLOUD)
    return tmp_path / "store.yaml"


def test_a_service_of_ones_own_is_generated(own: Path, cloud: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert generate.main([str(cloud), "-o", str(out)]) == 0
    listed = yaml.safe_load((out / "images.yaml").read_text())
    assert listed["elements_path"] == [str(own)]
    assert listed["images"][0]["elements"] == ["redis"]
    assert generate.main([str(cloud), "-o", str(out), "--check"]) == 0


def test_what_build_images_takes_from_a_cloud_file(own: Path, cloud: Path) -> None:
    (image,) = generate.images(cloud)
    assert image.elements == ("redis",)


def test_build_images_finds_the_directory_in_the_list(
    own: Path,
    cloud: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As under sudo, which drops the variable."""
    out = tmp_path / "out"
    assert generate.main([str(cloud), "-o", str(out)]) == 0
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(tmp_path / "cache"))
    build = ["-c", str(out / "images.yaml"), "-o", str(tmp_path / "images"), "--dry-run"]
    # Set first, so that the test undoes what the command adds.
    monkeypatch.setenv("ELEMENTS_PATH", "")
    assert build_images.main(build) == 2
    assert "there is no element redis" in capsys.readouterr().err
    monkeypatch.delenv("ELEMENTS_PATH")
    assert build_images.main(build) == 0
    assert f"elements also from {own}" in capsys.readouterr().err
    assert os.environ["ELEMENTS_PATH"] == str(own)
    monkeypatch.delenv("ELEMENTS_PATH")
    own.rename(tmp_path / "moved")
    assert build_images.main(build) == 2
    message = capsys.readouterr().err
    assert f"{out}/images.yaml:4:17: elements_path: {own}: no such directory" in message


def test_relative_entries_blanks_and_duplicates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    add(tmp_path / "my own", "redis")
    (tmp_path / "link").symlink_to("my own")
    path = f": my own ::{tmp_path}/my own/:link:{elements_path()}:"
    monkeypatch.setenv("ELEMENTS_PATH", path)
    assert elementspath.own() == [tmp_path / "my own", elements_path()]
    assert "redis" in contracts.installed().services


def test_every_bad_entry_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    element = add(tmp_path / "own", "redis")
    entries = ["/absent", str(tmp_path / "file"), str(element)]
    monkeypatch.setenv("ELEMENTS_PATH", ":".join(entries))
    with pytest.raises(InputError) as caught:
        contracts.installed()
    assert caught.value.message.splitlines() == [
        "ELEMENTS_PATH: /absent: no such directory",
        f"ELEMENTS_PATH: {tmp_path}/file: not a directory",
        f"ELEMENTS_PATH: {element}: an element itself: name the directory above it",
    ]


def test_the_first_folder_of_a_name_replaces_the_others(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(own, "memcached", "service: memcached\nsummary: Mine\n")
    add(tmp_path / "second", "memcached", "service: memcached\nsummary: Not this one\n")
    monkeypatch.setenv("ELEMENTS_PATH", f"{own}:{tmp_path}/second")
    known = contracts.installed()
    assert known.by_name["memcached"].summary == "Mine"
    assert "memcached.memory_mb" not in known.keys


def test_a_replaced_element_is_said(
    own: Path, cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(own, "memcached", "service: memcached\nsummary: Mine\n")
    assert generate.main([str(cloud), "-o", str(tmp_path / "out")]) == 0
    note = f"note: element memcached: {own}/memcached replaces {elements_path()}/memcached"
    assert capsys.readouterr().err.splitlines()[0] == note
    assert generate.main(["-q", str(cloud), "-o", str(tmp_path / "out")]) == 0
    assert "note:" not in capsys.readouterr().err


def test_a_link_has_the_name_of_its_target(
    tmp_path: Path, own: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As in diskimage-builder, which resolves it."""
    (own / "alias").symlink_to(add(tmp_path / "elsewhere", "valkey", "service: valkey\nsummary: x"))
    caplog.set_level(logging.INFO)
    assert {"redis", "valkey"} <= contracts.installed().services.keys()


def test_problems_of_contracts_have_their_own_places(
    own: Path, cloud: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = "service: redis\nsummary: x\nkeys:\n  redis.port: {type: integr, description: x}\n"
    (own / "redis/service.yaml").write_text(broken)
    add(own, "other", "service: [other\n")
    (own / "third").mkdir()
    (own / "third/service.yaml").symlink_to("nowhere")
    out = tmp_path / "out"
    assert generate.main([str(cloud), "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert f"{own}/other/service.yaml:1:" in message
    assert f"{own}/third/service.yaml:1:1: not a file" in message
    (own / "other/service.yaml").write_text("service: other\nsumary: x\n")
    (own / "third/service.yaml").unlink()
    assert generate.main([str(cloud), "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert f"{own}/redis/service.yaml:4:22: type: 'integr' is unknown" in message
    assert "did you mean 'integer'?" in message
    assert f"{own}/other/service.yaml:2:1: unknown key 'sumary'" in message
    assert not out.exists()


def test_an_unknown_service_leads_to_the_variable(
    cloud: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("ELEMENTS_PATH", raising=False)
    monkeypatch.setenv("SUDO_USER", "me")
    assert generate.main([str(cloud), "-o", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert "unknown service 'redis'" in message
    assert "ELEMENTS_PATH names further directories of elements" in message
    assert "--preserve-env=ELEMENTS_PATH" in message


def test_the_table_of_services_has_them(own: Path) -> None:
    text = reference.documents()[reference.DOCS / "services.md"]
    assert "| `redis` |  |  | Key-value store |" in text
    assert "redis" not in reference.documents()[reference.SCHEMAS / "cloud.json"]
