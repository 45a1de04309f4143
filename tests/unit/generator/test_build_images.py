# SPDX-License-Identifier: Apache-2.0
"""``build-images``: the images of a cloud file are those that generate-stacks lists."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from altostratus.datafiles import examples_path
from generator import build_images
from imagebuild import build


def dry_run(*arguments: object) -> list[str]:
    """Return the names of the images that would be built."""
    command = [sys.executable, "-m", "generator.build_images", "--dry-run", "--json"]
    done = subprocess.run([*command, *map(str, arguments)], check=True, capture_output=True)
    return [one["name"] for one in json.loads(done.stdout)["plan"] if one["kind"] == "image"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTOSTRATUS_CACHE", str(tmp_path / "cache"))


def test_images_of_a_cloud_file() -> None:
    example = examples_path() / "overcloud-mixed.yaml"
    assert dry_run("--cloud", example, "--role", "keystone") == ["overcloud-mixed.keystone-docker"]


def test_without_arguments_the_example_is_built() -> None:
    assert dry_run() == dry_run("--cloud", examples_path() / build.DEFAULT_CLOUD)


def test_problems_of_the_cloud_file_have_places(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cloud.yaml"
    path.write_text("nmae: x\nhypervisors: [lcx]\nnetworks: {ctlplane: {cidr: 10.0.0.0/24}}\n")
    assert build_images.main(["--cloud", str(path), "--dry-run"]) == 2
    said = capsys.readouterr().err
    for expected in (f"{path}:1:1: unknown key 'nmae'", f"{path}:2:15: hypervisors: 'lcx'"):
        assert expected in said


def test_imagebuild_alone_needs_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["--cloud", "x.yaml"]):
        with pytest.raises(SystemExit) as error:
            build.main(arguments)
        assert error.value.code == 2
    assert (
        "one of the arguments -c/--config --deploy-ramdisk is required" in capsys.readouterr().err
    )


def test_help_loads_neither_yaml_nor_the_model() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from generator.build_images import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "print([name for name in sys.modules if name in ('yaml', 'generator.cloudfile')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
