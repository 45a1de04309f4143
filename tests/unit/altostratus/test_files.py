# SPDX-License-Identifier: Apache-2.0
import hashlib
import logging
import os
import shutil
import stat
import threading
from pathlib import Path

import pytest

from altostratus import files


def test_text_is_written_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        files.write_text(tmp_path / "a" / "b", "text", mode=0o644)
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b").read_text() == "text"
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o644


def test_secret_is_never_readable_by_others(tmp_path: Path) -> None:
    files.write_text(tmp_path / "secret", "old", mode=0o644)
    files.write_text(tmp_path / "secret", "new", mode=0o600)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_failure_leaves_the_old_content_and_no_other_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    files.write_text(tmp_path / "file", "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_text(tmp_path / "file", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_json_ends_with_a_newline(tmp_path: Path) -> None:
    files.write_json(tmp_path / "j", {"ä": [1]})
    assert (tmp_path / "j").read_text() == '{\n  "ä": [\n    1\n  ]\n}\n'


def test_lock_excludes_and_is_released(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with files.lock(path), pytest.raises(BlockingIOError), files.lock(path, blocking=False):
        pass
    with files.lock(tmp_path / "lock", blocking=False):
        pass


def test_a_locked_directory_makes_others_wait_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    order, held = [], threading.Event()

    def second() -> None:
        held.wait()
        with files.lock_directory(tmp_path / "out"):
            order.append("second")

    waiter = threading.Thread(target=second)
    waiter.start()
    with files.lock_directory(tmp_path / "out"):
        held.set()
        while "waiting for another command" not in caplog.text:
            pass
        order.append("first")
    waiter.join()
    assert order == ["first", "second"]
    assert f"which has locked {tmp_path / 'out'}" in caplog.text
    assert not list((tmp_path / "out").iterdir())


def test_a_directory_that_was_made_to_be_locked_goes_again(tmp_path: Path) -> None:
    for left in ((), ("a",)):
        with pytest.raises(ValueError), files.lock_directory(tmp_path / "new/out"):
            for name in left:
                (tmp_path / "new/out" / name).touch()
            raise ValueError
        assert (tmp_path / "new").exists() == bool(left)
    with pytest.raises(ValueError), files.lock_directory(tmp_path):
        raise ValueError
    assert tmp_path.exists()


def test_a_directory_that_goes_while_another_waits_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    out = tmp_path / "out"
    found = []

    def second() -> None:
        with files.lock_directory(out):
            found.append(out.is_dir())

    with pytest.raises(ValueError), files.lock_directory(out):
        waiter = threading.Thread(target=second)
        waiter.start()
        while "waiting" not in caplog.text:
            pass
        raise ValueError
    waiter.join()
    assert found == [True]


def test_digest_is_sha256(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert files.digest(tmp_path / "empty").startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_digests_by_name_are_those_of_hashlib(tmp_path: Path) -> None:
    content = b"x" * (2**20 + 1)
    (tmp_path / "file").write_bytes(content)
    assert files.digests(tmp_path / "file", "md5", "sha512") == {
        "md5": hashlib.md5(content).hexdigest(),
        "sha512": hashlib.sha512(content).hexdigest(),
    }


def test_regular_files_of_a_tree_that_goes_away(tmp_path: Path) -> None:
    for name in ("a/one", "b/two", "b/c/three"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "link").symlink_to("a/one")
    (tmp_path / "nowhere").symlink_to("absent")
    assert sorted(status.st_size for status in files.regular(tmp_path)) == [5, 5, 9]
    found = files.regular(tmp_path)
    next(found)
    shutil.rmtree(tmp_path)
    assert list(found) == []


def test_a_link_is_written_through(tmp_path: Path) -> None:
    """Whoever keeps a file elsewhere (a vault, another disk) finds the new content there."""
    (tmp_path / "vault").mkdir()
    real = tmp_path / "vault/secrets"
    real.write_text("old")
    (tmp_path / "middle").symlink_to("vault/secrets")
    link = tmp_path / "secrets"
    link.symlink_to(tmp_path / "middle")
    files.write_text(link, "new", mode=0o600)
    assert link.is_symlink() and (tmp_path / "middle").is_symlink()
    assert real.read_text() == "new" and not real.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "vault").iterdir()] == ["secrets"]


def test_a_link_to_nothing_yet_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("elsewhere/file")
    files.write_json(tmp_path / "link", {})
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "elsewhere/file").read_text() == "{}\n"


def test_links_to_each_other_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links"):
        files.write_text(tmp_path / "a", "text")
    assert (tmp_path / "a").is_symlink() and (tmp_path / "b").is_symlink()


def test_a_link_of_another_root_is_replaced(tmp_path: Path) -> None:
    """In a container's root the link /etc/resolv.conf does not lead to the host's file."""
    (tmp_path / "host").write_text("the host's")
    (tmp_path / "link").symlink_to(tmp_path / "host")
    files.write_text(tmp_path / "link", "the container's", follow=False)
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "host").read_text() == "the host's"
