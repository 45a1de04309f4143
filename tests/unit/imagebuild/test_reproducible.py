# SPDX-License-Identifier: Apache-2.0
"""The same root gives the same bytes, whenever, by whomever and in whatever order it was made."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from altostratus import files, process
from imagebuild import dib, formats, packages
from imagebuild.elements import search_path
from imagebuild.formats import dockerarchive, reproducible
from imagebuild.images import Image
from imagebuild.recipes import base_recipe, image_recipe

NAMES = [f"file-{number}" for number in range(200)]


def make_root(root: Path, names: list[str], age: int) -> Path:
    """Make the same files in the order of ``names``, and as if ``age`` seconds ago."""
    for path in ("boot", "etc/deep", "usr/lib/altostratus/boot", "var/log"):
        (root / path).mkdir(parents=True)
    for name in names:
        (root / "etc/deep" / name).write_text(name * 500)
    os.link(root / "etc/deep/file-7", root / "etc/hard")
    (root / "etc/soft").symlink_to("deep/file-8")
    (root / "etc/deep/file-9").chmod(0o600)
    os.mkfifo(root / "var/pipe")
    for path in ("boot/vmlinuz", "boot/initrd.img", "usr/lib/altostratus/boot/boot.img"):
        (root / path).write_bytes(path.encode() * 100)
    (root / "usr/lib/altostratus/boot/core.img").write_bytes(b"core")
    packages.write_inside(root, "key", [])
    for path in reproducible.everything(root):
        now = path.lstat().st_mtime - age
        os.utime(path, (now, now), follow_symlinks=False)
    return root


@pytest.fixture
def roots(tmp_path: Path) -> list[Path]:
    first = make_root(tmp_path / "first", NAMES, 0)
    before = os.umask(0o077)
    try:
        second = make_root(tmp_path / "second", NAMES[::-1], 1000)
    finally:
        os.umask(before)
    # Modes are content, which the fixed umask of builds takes care of.
    for path in reproducible.everything(second):
        if not path.is_symlink():
            path.chmod((first / path.relative_to(second)).stat().st_mode & 0o7777)
    return [first, second]


@pytest.mark.parametrize(
    ("hypervisor", "partition"),
    [("lxc", False), ("kvm", False), ("docker", False), ("ironic", True)],
)
def test_same_root_same_bytes(
    roots: list[Path], tmp_path: Path, hypervisor: str, partition: bool
) -> None:
    found = []
    for number, root in enumerate(roots):
        formats.settle(root)
        image = tmp_path / f"{number}.image"
        more = formats.write(hypervisor, root, image, "key", partition=partition)
        found.append([files.digest(path) for path in (image, *more.values())])
    assert found[0] == found[1]


def test_ext4_has_no_time_of_its_own(roots: list[Path], tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    formats.settle(roots[0])
    formats.write_ext4(roots[0], image, "key")
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    subprocess.run(["e2fsck", "-fn", image], env={"PATH": path}, check=True, capture_output=True)
    for name in ("/", "/etc/deep/file-9", "/etc/soft", "/var/pipe", "/lost+found"):
        told = process.run(["debugfs", "-R", f"stat {name}", image], env={"PATH": path}).stdout
        times = [line.split()[1] for line in told.splitlines() if "time: " in line]
        assert times == [f"0x{reproducible.EPOCH:08x}:00000000"] * 4, told


@pytest.mark.parametrize("mode", ["timestamp", "checked-hash", "unchecked-hash"])
def test_byte_code_still_fits_its_source(tmp_path: Path, mode: str) -> None:
    """Python would compile it again at every start."""
    found = []
    for age in (0, 5000):
        root = tmp_path / str(age)
        root.mkdir()
        source = root / "module.py"
        source.write_text("x = 1\n")
        os.utime(source, (time.time() - age, time.time() - age))
        command = [
            sys.executable,
            "-m",
            "compileall",
            "-q",
            "--invalidation-mode",
            mode,
            "-s",
            root,
        ]
        process.run([*command, root])
        (compiled,) = root.glob("__pycache__/*.pyc")
        formats.settle(root)
        found.append(files.digest(compiled))
        imported = process.run([sys.executable, "-v", "-c", "import module"], cwd=root).stderr
        assert f"code object from '{source}'" not in imported
        assert "matches" in imported.partition("module.cpython")[2][:400]
        assert files.digest(compiled) == found[-1]
    assert found[0] == found[1]


def test_package_list_is_for_everybody_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        root = tmp_path / "root"
        root.mkdir()
        packages.write_inside(root, "key", [])
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in reproducible.everything(root / "usr")} == {
        0o755,
        0o644,
    }


def test_docker_layers_are_sorted(roots: list[Path], tmp_path: Path) -> None:
    dockerarchive.write_archive(roots[1], tmp_path / "image.tar", "key")
    process.run(["tar", "-C", tmp_path, "-xf", tmp_path / "image.tar", "layer.tar"])
    listed = process.run(["tar", "-tf", tmp_path / "layer.tar"]).stdout.splitlines()
    deep = [line for line in listed if line.startswith("etc/deep/file")]
    assert deep == sorted(deep)


def build_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    seen: dict[str, str] = {}
    monkeypatch.setattr(dib.process, "run", lambda argv, **options: seen.update(options["env"]))
    place = dib.Place(tmp_path / "work", tmp_path / "slot", tmp_path / "log")
    place.work.mkdir()
    dib.build_root(base_recipe("bookworm", search_path()), None, place, {}, lambda *_: None)
    return seen


def test_builds_have_an_environment_of_their_own(
    own_elements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("TERM", "odd"), ("TZ", "Asia/Tokyo"), ("LC_ALL", "de_DE"), ("PATH", "/x")):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PIP_DEFAULT_TIMEOUT", raising=False)
    found = build_environment(tmp_path, monkeypatch)
    assert found["SOURCE_DATE_EPOCH"] == str(reproducible.EPOCH)
    assert (found["PYTHONHASHSEED"], found["PERL_HASH_SEED"]) == ("0", "0")
    assert (found["TERM"], found["TZ"], found["LC_ALL"]) == ("dumb", "UTC", "C.UTF-8")
    assert found["PATH"].split(":")[1:3] == ["/usr/local/sbin", "/usr/local/bin"]
    # A server that hangs ends the build in a stated time.
    assert 'Acquire::http::Timeout "30";' in found["ALTOSTRATUS_APT_LIMITS"]
    assert """--aptopt='Acquire::Retries "2"'""" in found["DIB_MMDEBSTRAP_EXTRA_ARGS"]
    assert found["PIP_DEFAULT_TIMEOUT"] == "30"


def test_builds_see_what_the_key_covers(own_elements: Path, tmp_path: Path) -> None:
    """An element that changes between plan and build would give another image for the key."""
    tiny = own_elements / "tiny"
    (tiny / "install.d" / ".50-tiny.swp").write_text("an editor's")
    recipe = image_recipe(
        Image("t", "tiny", "lxc", "bookworm", ("tiny",)),
        base_recipe("bookworm", search_path()),
        search_path(),
    )
    dib.copy_elements(recipe, tmp_path / "one")
    copied = {path.name for path in (tmp_path / "one/tiny").rglob("*")}
    assert copied == {"element-deps", "install.d", "50-tiny"}
    (tiny / "install.d/50-tiny").write_text("#!/bin/bash\nfalse\n")
    with pytest.raises(dib.AltostratusError, match=r"changed while .* tiny/install.d/50-tiny"):
        dib.copy_elements(recipe, tmp_path / "two")


@pytest.mark.parametrize("path", ["/a b/cache", "/a,b", "/a:b", "/a$b"])
def test_paths_that_would_break_are_refused_before_work(path: str) -> None:
    with pytest.raises(dib.InputError, match="its path has '.'"):
        dib.check_path(Path(path))
    dib.check_path(Path("/var/tmp/a-b_c/d.e+f@g~/ü"))
