# SPDX-License-Identifier: Apache-2.0
"""The command generate-stacks, with the project's own elements."""

import json
import shlex
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from altostratus.datafiles import examples_path, templates_path
from generator import generate

OVERCLOUD = examples_path() / "overcloud-lxc.yaml"
UNDERCLOUD = examples_path() / "undercloud.yaml"


def run(*arguments: object) -> int:
    return generate.main([str(argument) for argument in arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def secrets_of(out: Path) -> dict[str, str]:
    found: dict[str, str] = yaml.safe_load((out / "secrets.yaml").read_text())["parameter_defaults"]
    return found


def test_everything_is_written(tmp_path: Path) -> None:
    assert run(OVERCLOUD, "-o", tmp_path / "out") == 0
    assert set(contents(tmp_path / "out")) == {
        "images.yaml",
        "overcloud.yaml",
        "environment.yaml",
        "secrets.yaml",
        "networks.json",
        "flavors.json",
        ".generate-stacks",
        "templates/server-lxc.yaml",
        "heat-parameters/options",
        *(f"heat-parameters/{name}" for name in secrets_of(tmp_path / "out")),
    }
    images = yaml.safe_load((tmp_path / "out/images.yaml").read_text())["images"]
    assert images[2] == {
        "name": "overcloud-keystone-lxc",
        "role": "keystone",
        "hypervisor": "lxc",
        "release": "bookworm",
        "elements": ["keystone"],
        "parameter": "KeystoneImage",
    }
    networks = json.loads((tmp_path / "out/networks.json").read_text())["networks"]
    assert networks[1] == {
        "name": "internal",
        "type": "vlan",
        "physical_network": "ctlplane",
        "segmentation_id": 201,
        "cidr": "172.16.2.0/24",
        "allocation_pools": [{"start": "172.16.2.10", "end": "172.16.2.250"}],
        "routes": [],
        "dns": [],
        "dhcp": True,
    }


def test_a_second_run_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    before = contents(tmp_path)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    assert run(UNDERCLOUD, "-o", tmp_path) == 0
    assert contents(tmp_path) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")} == times
    assert run(UNDERCLOUD, "-o", tmp_path, "--check") == 0
    assert capsys.readouterr().out == ""


def test_secrets_are_private_and_kept(tmp_path: Path) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    secrets = (tmp_path / "secrets.yaml").read_text()
    for name in ("secrets.yaml", "metadata/undercloud.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    (tmp_path / "metadata/undercloud.json").unlink()
    run(UNDERCLOUD, "-o", tmp_path)
    assert (tmp_path / "secrets.yaml").read_text() == secrets
    metadata = json.loads((tmp_path / "metadata/undercloud.json").read_text())
    password = yaml.safe_load(secrets)["parameter_defaults"]["KeystoneAdminPassword"]
    assert metadata["keystone"]["admin-password"] == password
    assert len(password) == 32


def test_secrets_of_a_removed_service_wait_for_its_return(tmp_path: Path) -> None:
    text = OVERCLOUD.read_text()
    cloud = tmp_path / "cloud.yaml"
    cloud.write_text(text)
    run(cloud, "-o", tmp_path / "out")
    secrets = (tmp_path / "out/secrets.yaml").read_text()
    cloud.write_text(text[: text.index("  glance:")])
    run(cloud, "-o", tmp_path / "out")
    assert "GlanceDbPassword" not in (tmp_path / "out/overcloud.yaml").read_text()
    assert (tmp_path / "out/secrets.yaml").read_text() == secrets


def test_check_names_what_is_stale(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    (tmp_path / "flavors.json").write_text("{}")
    (tmp_path / "networks.json").unlink()
    (tmp_path / "metadata/undercloud.json").chmod(0o644)
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(UNDERCLOUD, "-o", tmp_path, "--check") == 1
    message = capsys.readouterr().err
    for name in ("flavors.json", "networks.json", "metadata/undercloud.json"):
        assert name in message
    for words in ("flavors.json differs", "networks.json is missing", "has mode 0644, not 0600"):
        assert words in message
    assert "images.yaml" not in message
    assert run(OVERCLOUD, "-o", tmp_path, "--check") == 1
    message = capsys.readouterr().err
    left = "is left from an earlier run"
    assert "overcloud.yaml is missing" in message
    assert f"metadata/undercloud.json {left}, undercloud.yaml {left}" in message
    assert contents(tmp_path) == before


def test_the_hint_of_check_is_a_command_that_helps(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = tmp_path / "my cloud.yaml"
    cloud.write_text(OVERCLOUD.read_text())
    options = [cloud, "-o", tmp_path / "its files", "--hypervisor", "docker"]
    assert run(*options, "--check") == 1
    _, _, hint = capsys.readouterr().err.partition("hint: run generate-stacks ")
    assert run(*shlex.split(hint)) == 0
    assert run(*options, "--check") == 0


def test_check_of_nothing_makes_no_directory(tmp_path: Path) -> None:
    assert run(OVERCLOUD, "-o", tmp_path / "out", "--check") == 1
    assert run(OVERCLOUD, "-o", tmp_path / "out", "--dry-run") == 0
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_what_would_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud, out = tmp_path / "cloud.yaml", tmp_path / "out"
    cloud.write_text(OVERCLOUD.read_text())
    run(UNDERCLOUD, "-o", out)
    run(cloud, "-o", out)
    capsys.readouterr()
    assert run(cloud, "-o", out, "--dry-run") == 0
    assert capsys.readouterr().out == ""
    cloud.write_text(cloud.read_text().replace("ram: ", "ram: 1"))
    (out / "networks.json").unlink()
    secret = "f" * 32
    text = (out / "secrets.yaml").read_text()
    (out / "secrets.yaml").write_text(f"{text}  # {secret}\n")
    (out / "old.yaml").touch()
    with (out / ".generate-stacks").open("a") as record:
        record.write("old.yaml\n")
    before = contents(out)
    assert run(cloud, "-o", out, "--dry-run") == 0
    said = capsys.readouterr()
    assert contents(out) == before
    for line in ("write", "networks.json"), ("write", "flavors.json"), ("remove", "old.yaml"):
        assert f"would {line[0]} {out / line[1]}\n" in said.out
    assert '\n-      "ram": ' in said.out and '\n+      "ram": 1' in said.out
    assert f"would write {out / 'secrets.yaml'}" in said.out and secret not in said.out
    assert "wrote" not in said.out + said.err
    odd = out / "flavors.json"
    odd.write_text(f"{odd.read_text()}\x1b[31m")
    assert run(cloud, "-o", out, "--dry-run") == 0
    assert "-\\x1b[31m\n" in capsys.readouterr().out


def test_the_output_must_be_a_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "out").touch()
    for more in ([], ["--check"], ["--dry-run"]):
        assert run(OVERCLOUD, "-o", tmp_path / "out", *more) == 2
        assert f"{tmp_path / 'out'}: not a directory\nhint: " in capsys.readouterr().err


def test_files_of_an_earlier_run_are_deleted_and_others_stay(tmp_path: Path) -> None:
    run(UNDERCLOUD, "-o", tmp_path)
    (tmp_path / "images-env.yaml").write_text("parameters: {}\n")
    run(UNDERCLOUD, "-o", tmp_path)
    run(OVERCLOUD, "-o", tmp_path)
    assert not (tmp_path / "undercloud.yaml").exists()
    assert not list((tmp_path / "metadata").iterdir())
    assert (tmp_path / "images-env.yaml").exists()
    assert run(OVERCLOUD, "-o", tmp_path, "--check") == 0


def test_files_of_others_stay(tmp_path: Path) -> None:
    shutil.copytree(templates_path(), tmp_path / "templates")
    for name in ("metadata/mine.json", "mine.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = contents(tmp_path)
    for cloud in (UNDERCLOUD, OVERCLOUD):
        assert run(cloud, "-o", tmp_path) == 0
        assert run(cloud, "-o", tmp_path, "--check") == 0
        assert before.items() <= contents(tmp_path).items()
    assert not (tmp_path / "metadata/undercloud.json").exists()


def test_the_cloud_file_is_not_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = tmp_path / "overcloud.yaml"
    cloud.write_text(OVERCLOUD.read_text())
    assert run(cloud, "-o", tmp_path) == 2
    assert "overcloud.yaml would be overwritten\nhint: " in capsys.readouterr().err
    assert contents(tmp_path) == {"overcloud.yaml": OVERCLOUD.read_bytes()}


def test_bad_input_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = tmp_path / "cloud.yaml"
    cloud.write_text(OVERCLOUD.read_text().replace("[keystone]", "[keystnoe]"))
    assert run(cloud, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert f"{cloud}:33:16: services: unknown service 'keystnoe'" in error
    assert "did you mean 'keystone'?" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("damaged", "problem"),
    [
        ("parameter_defaults: {GlanceDbPassword: 5}\n", ":1:40: GlanceDbPassword: not a string"),
        ("parameter_defaults: {GlanceDbPassword: }\n", ":1:40: GlanceDbPassword: not a string"),
        ("parameter_defaults: {A: x, A: y}\n", ":1:28: duplicate key 'A'"),
        ("parameter_defaults:\n", ":1:20: parameter_defaults: not a mapping"),
        ("parameter_defaults: 5\n", ":1:21: parameter_defaults: not a mapping"),
        ("parameter_defaults: [A, B]\n", ":1:21: parameter_defaults: not a mapping"),
        ("parameters: {GlanceDbPassword: x}\n", ":1:1: no 'parameter_defaults'"),
        ("[]\n", ":1:1: no 'parameter_defaults'"),
        ("", ":1:1: no 'parameter_defaults'"),
        ("parameter_defaults: {A: x", ":1:26: not YAML"),
        ("parameter_defaults: {A: \x00", "not YAML"),
    ],
)
def test_damaged_secrets_are_not_replaced(
    damaged: str, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(OVERCLOUD, "-o", tmp_path)
    (tmp_path / "secrets.yaml").write_text(damaged)
    before = contents(tmp_path)
    capsys.readouterr()
    assert run(OVERCLOUD, "-o", tmp_path) == 2
    error = capsys.readouterr().err
    assert problem in error and "secrets.yaml" in error
    assert "restore the file from a backup" in error or "already given" in error
    assert contents(tmp_path) == before


def test_a_cloud_without_secrets_can_get_some(tmp_path: Path) -> None:
    cloud = tmp_path / "cloud.yaml"
    networks = "networks: {ctlplane: {cidr: 10.0.0.0/24}}\n"
    text = f"name: a\nhypervisors: [lxc]\n{networks}roles: {{a: {{services: [memcached]}}}}\n"
    cloud.write_text(text)
    assert run(cloud, "-o", tmp_path / "out") == 0
    cloud.write_text(text.replace("[memcached]", "[memcached, mariadb, keystone]"))
    assert run(cloud, "-o", tmp_path / "out") == 0
    assert "KeystoneAdminPassword" in (tmp_path / "out/secrets.yaml").read_text()


@pytest.mark.parametrize(("path", "said"), [("nowhere.yaml", "no such file"), (".", "a directory")])
def test_no_such_file(
    path: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for what in (["-o", tmp_path / "out"], ["--images"]):
        assert run(tmp_path / path, *what) == 2
        assert f": {said}\nhint: name a cloud file" in capsys.readouterr().err


def test_images_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(OVERCLOUD, "-o", tmp_path)
    assert run(OVERCLOUD, "--images") == 0
    assert capsys.readouterr().out == (tmp_path / "images.yaml").read_text()


def test_arguments_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        run(OVERCLOUD)
    assert error.value.code == 2
    assert "one of the arguments -o/--output --images is required" in capsys.readouterr().err
    assert run(OVERCLOUD, "--images", "--check") == 2
    said = capsys.readouterr()
    assert "error: --check has nothing to compare" in said.err and not said.out


def test_large_stacks_get_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cloud = tmp_path / "cloud.yaml"
    text = OVERCLOUD.read_text().replace("[mariadb]", "[mariadb, cache]")
    text = text.replace("[memcached]", "[docker-registry]\n    count: 230")
    text = text.replace("cache]", "memcached]")
    for old, new in (
        ("172.16.2.0/24", "172.16.2.0/23"),
        ("172.16.2.250", "172.16.3.250"),
        ("192.168.24.0/24", "192.168.24.0/23"),
        ("192.168.24.250", "192.168.25.250"),
    ):
        text = text.replace(old, new)
    cloud.write_text(text)
    assert generate.generate(cloud, tmp_path / "out")
    # The start, 4 configurations and groups, 8 groups of ports; 233 instances of 3 resources and
    # 2 ports.
    assert f"warning: the stack has {17 + 233 * 5} resources" in caplog.text
    assert "\nhint: raise it in heat.conf" in caplog.text


def test_help_does_not_load_the_model() -> None:
    code = (
        "import sys, contextlib, io\n"
        "from generator.generate import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    main(['--help'])\n"
        "print([m for m in sys.modules if m == 'yaml' or m.startswith('generator.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['generator.arguments', 'generator.generate']"
