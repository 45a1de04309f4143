# SPDX-License-Identifier: Apache-2.0
"""Several load-image at once, with the real clients, against a Glance of one process."""

import datetime
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fakeglance import FakeGlance
from loading import EXT4, LXC, TOP, lxc, the_image

from imagebuild.glance import upload


def start(image: Path, cache: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "imagebuild.load", "--hypervisor", "lxc", str(image), *more]
    env = {**os.environ, "ALTOSTRATUS_CACHE": str(cache), "PYTHONPATH": str(TOP)}
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_two_at_once_on_one_machine(
    glance: FakeGlance, image: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    glance.put_data(glance.add(name="c-db-lxc", disk_format="raw", container_format="bare"), b"x")
    children = [start(image, tmp_path / "cache", *more) for _ in range(2)]
    ids = [child.communicate()[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert ids[0] == ids[1]
    assert ids[0] in glance.images
    assert len([one for one in glance.images.values() if one["size"] == len(EXT4)]) == 1
    assert glance.methods().count("PUT") == 1
    assert len(glance.images) == (1 if more else 2)


@pytest.mark.parametrize("more", [(), ("--replace",)])
def test_two_at_once_on_two_machines(
    glance: FakeGlance, image: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Both send; they agree on the older image, whichever arrives first."""
    both = threading.Barrier(2)
    glance.now = lambda: datetime.datetime.now(datetime.UTC).isoformat()
    glance.during_upload = lambda image_id: both.wait(30) and None
    children = [start(image, tmp_path / f"cache-{n}", *more) for n in range(2)]
    ids = [child.communicate()[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert glance.methods().count("PUT") == 2
    assert ids == [the_image(glance)["id"]] * 2


def test_an_older_upload_that_arrives_later_stays(
    glance: FakeGlance,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    formats = {"disk_format": "raw", "container_format": "bare"}
    older = glance.add(name="c-db-lxc", **formats, **LXC)
    glance.images[older]["status"] = "saving"
    monkeypatch.setattr(upload.time, "sleep", lambda seconds: glance.put_data(older, EXT4))
    assert lxc(image, "--replace") == 0
    assert the_image(glance)["id"] == older
    captured = capsys.readouterr()
    assert captured.out == f"{older}\n"
    assert f"waiting for an older upload of the name, {older}" in captured.err


def test_replace_leaves_what_another_loads_meanwhile(glance: FakeGlance, image: Path) -> None:
    old = glance.add(name="c-db-lxc", disk_format="raw", container_format="bare")
    glance.put_data(old, b"old")
    younger: list[str] = []

    def another(image_id: str) -> None:
        younger.append(glance.add(name="c-db-lxc", disk_format="raw", container_format="bare"))
        glance.put_data(younger[0], b"younger")

    glance.during_upload = another
    assert lxc(image, "--replace") == 0
    assert old not in glance.images
    assert younger[0] in glance.images
    assert len(glance.images) == 2


def test_no_id_is_printed_that_another_deleted(
    glance: FakeGlance,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keep_oldest = upload._keep_oldest

    def deleted(sent: str, *rest: Any) -> Any:
        found = keep_oldest(sent, *rest)
        del glance.images[sent]
        return found

    monkeypatch.setattr(upload, "_keep_oldest", deleted)
    assert lxc(image) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "was deleted while it was being loaded" in captured.err
