# SPDX-License-Identifier: Apache-2.0
"""The deploy ramdisk: what is packed, and when it is built."""

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from imagebuild import build, ramdisk, recipes
from imagebuild.cache import IMAGES, LAYERS, Cache
from imagebuild.elements import search_path
from imagebuild.plan import Action
from imagebuild.ramdisk import PARTS


def make_root(path: Path, names: tuple[str, ...]) -> Path:
    path.mkdir()
    (path / "dev").mkdir()
    for name in names:
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(name)
    (path / "init").chmod(0o755)
    (path / "link").symlink_to("init")
    return path


def test_the_same_root_gives_the_same_bytes(tmp_path: Path) -> None:
    names = ("init", "usr/b", "usr/a", "name with spaces")
    first = make_root(tmp_path / "one", names)
    # Other inodes, other times, another order of directory entries.
    second = make_root(tmp_path / "two", names[::-1])
    made = [tmp_path / "1.initramfs", tmp_path / "2.initramfs"]
    for root, target in zip((first, second), made, strict=True):
        ramdisk.pack(root, tmp_path, target)
    assert made[0].read_bytes() == made[1].read_bytes()
    unpacked = subprocess.run(["zstd", "-dc", made[0]], check=True, capture_output=True).stdout
    listed = subprocess.run(["cpio", "-itv", "--quiet"], input=unpacked, capture_output=True)
    lines = listed.stdout.decode().splitlines()
    assert [line.split()[0] for line in lines if line.endswith(" init")][0] == "-rwxr-xr-x"
    assert any(line.endswith("link -> init") for line in lines)
    assert any(line.endswith("name with spaces") for line in lines)
    # A directory before what it holds, or the kernel cannot unpack it.
    order = [line.split()[-1] for line in lines]
    assert order.index("usr") < order.index("usr/a") < order.index("usr/b")


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def store(cache: Cache, tmp_path: Path) -> None:
    """Put a base layer and a deploy ramdisk into the cache, as if they had been built."""
    base = recipes.base_recipe(ramdisk.RELEASE, search_path())
    recipe = recipes.ramdisk_recipe(base, search_path())
    layer = tmp_path / "base.tar"
    layer.write_bytes(b"layer")
    cache.store(LAYERS, base, layer, {})
    for part in PARTS:
        (tmp_path / part.file).write_text(part.name)
    archive = tmp_path / "both.tar"
    with tarfile.open(archive, "w") as out:
        for part in PARTS:
            out.add(tmp_path / part.file, part.file)
    record = {"packages": [], "package_count": 0, "kernel": "linux-image-6.1", "built": "today"}
    cache.store(IMAGES, recipe, archive, record)


def actions(cache: Cache, output: Path, force: bool = False) -> list[str]:
    return [str(s.action) for s in ramdisk.make_plan(ramdisk.RELEASE, cache, output, force)]


def test_it_is_built_once(
    cache: Cache,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    assert actions(cache, output) == [Action.BUILD, Action.BUILD]
    store(cache, tmp_path)
    assert actions(cache, output) == [Action.CACHED]
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(cache.root))
    command = ["--deploy-ramdisk", "-q", "-o", str(output)]
    assert build.main(command) == 0
    assert actions(cache, output) == [Action.CURRENT]
    assert capsys.readouterr().out.split() == [str(output / part.file) for part in PARTS]
    assert (output / PARTS[0].file).read_text() == "bm-deploy-kernel"
    # A second time: the same records.
    assert build.main([*command, "--json"]) == 0
    records = json.loads(capsys.readouterr().out)["images"]
    assert records == json.loads((output / "manifest.json").read_text())["images"]
    assert [record["container_format"] for record in records] == ["aki", "ari"]
    assert all(len(record["sha256"]) == 64 for record in records)
    assert actions(cache, output, force=True) == [Action.BUILD, Action.BUILD]
    (output / PARTS[1].file).unlink()
    assert actions(cache, output) == [Action.CACHED]


def test_it_goes_without_types_and_roles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for wrong in (["--hypervisor", "kvm"], ["--role", "x"], ["--partition"]):
        assert build.main(["--deploy-ramdisk", *wrong, "-o", str(tmp_path)]) == 2
    assert "cannot be combined with --hypervisor" in capsys.readouterr().err


def test_a_shell_needs_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--deploy-ramdisk", "--shell-on-failure", "-o", str(tmp_path)]
    assert build.main(command) == 2
    assert "--shell-on-failure needs a terminal" in capsys.readouterr().err
