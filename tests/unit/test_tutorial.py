# SPDX-License-Identifier: Apache-2.0
"""The tutorial is true: its files and commands, as far as they need no root, do what it says."""

import json
import os
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import tutorial
import yaml

TOP = Path(__file__).parents[2]
GOLDEN = TOP / "tests/golden/tutorial"


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which all of it was done, with this checkout's commands."""
    # Blanks: elements may be anywhere.
    place = tmp_path_factory.mktemp("tutorial") / "my store"
    path = tutorial.programs(place / "bin")
    tutorial.write(place)
    script = "set -e\n" + "\n".join(tutorial.commands(root=False))
    subprocess.run(
        ["bash", "-c", script],
        cwd=place,
        env={"PATH": path, "PYTHONPATH": str(TOP), "HOME": str(place)},
        check=True,
        capture_output=True,
        text=True,
    )
    return place


def test_nothing_is_left_out() -> None:
    assert {Path(name).name for name in tutorial.files()} >= {"service.yaml", "14-redis"}
    assert len(tutorial.commands(root=False)) == 6
    assert [one.split()[0] for one in tutorial.commands(root=True)] == [
        "build-images",
        *["devtest"] * 3,
    ]


def test_its_stack_is_as_expected(done: Path) -> None:
    """But for the secrets, which differ, and the place of the elements."""
    out = done / "out"
    files = [path for path in out.glob("[a-z]*") if path.is_file() and path.name != "secrets.yaml"]
    made = {
        str(path.relative_to(out)): path.read_text().replace(str(done), "/home/me/store")
        for path in files
    }
    if os.environ.get("GOLDEN") == "update":
        for name, text in made.items():
            (GOLDEN / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name).write_text(text)
    golden = [path for path in GOLDEN.rglob("*") if path.is_file()]
    assert made == {str(path.relative_to(GOLDEN)): path.read_text() for path in golden}


def test_its_password_is_a_secret(done: Path) -> None:
    secrets = yaml.safe_load((done / "out/secrets.yaml").read_text())["parameter_defaults"]
    assert re.fullmatch("[0-9a-f]{32}", secrets["RedisPassword"])
    template = yaml.safe_load((done / "out/store.yaml").read_text())
    assert template["parameters"]["RedisPassword"]["hidden"] is True
    listed = yaml.safe_load((done / "out/images.yaml").read_text())
    assert listed["elements_path"] == [str(done / "my-elements")]


def test_its_schema_knows_the_service_and_its_keys(done: Path) -> None:
    schema = json.loads((done / "cloud.json").read_text())
    cloud = yaml.safe_load((done / "store.yaml").read_text())
    jsonschema.validate(cloud, schema)
    cloud["roles"]["redis"]["config"]["redis"]["memory_mb"] = 1
    with pytest.raises(jsonschema.ValidationError, match="less than the minimum of 16"):
        jsonschema.validate(cloud, schema)


def test_what_it_says_to_try_is_found(done: Path, tmp_path: Path) -> None:
    tutorial.write(tmp_path)
    redis = tmp_path / "my-elements/redis"
    template = redis / "os-apply-config/etc/redis/redis.conf"
    for path, old, new, message in (
        (template, "redis.memory_mb", "redis.memory", "redis.conf:5:11: an instance with redis"),
        (redis / "service.yaml", "integer", "integr", "service.yaml:17:11: type: 'integr' is"),
    ):
        text = path.read_text()
        path.write_text(text.replace(old, new))
        command = ["check-elements", "--no-lint", "my-elements"]
        checked = subprocess.run(
            ["sh", str(done / "bin" / command[0]), *command[1:]],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(TOP)},
            capture_output=True,
            text=True,
        )
        assert checked.returncode == 1
        assert message in checked.stdout
        path.write_text(text)
