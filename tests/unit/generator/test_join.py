# SPDX-License-Identifier: Apache-2.0
"""A cloud that joins another: endpoints, secrets and settings of that one, and what cannot be."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from altostratus.datafiles import examples_path
from generator import generate

UNDERCLOUD = examples_path() / "undercloud.yaml"
NODE = examples_path() / "hypervisor-node.yaml"


def run(*arguments: object) -> int:
    return generate.main([str(argument) for argument in arguments])


def metadata(out: Path, name: str) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = json.loads((out / f"metadata/{name}.json").read_text())
    return found


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    """Copies of the two cloud files."""
    for path in (UNDERCLOUD, NODE):
        shutil.copy(path, tmp_path / path.name)
    return tmp_path


def rewrite(path: Path, old: str, new: str) -> Path:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def test_addresses_and_secrets_are_the_joined_clouds(tmp_path: Path) -> None:
    assert run(UNDERCLOUD, "-o", tmp_path / "undercloud") == 0
    assert run(NODE, "-o", tmp_path / "node") == 0
    theirs = metadata(tmp_path / "undercloud", "undercloud")
    for number in (0, 1):
        mine = metadata(tmp_path / "node", f"hypervisor-{number}")
        for namespace, keys in {
            "rabbit": ("host", "username", "password"),
            "nova": ("host", "service-password"),
            "keystone": ("host", "public_host", "region"),
            "glance": ("host",),
        }.items():
            for key in keys:
                assert mine[namespace][key] == theirs[namespace][key]
        assert mine["nova"]["my_ip"] == f"192.168.24.{number + 2}"
        assert mine["nova-lxc"]["compute_hostname"] == f"hypervisor-{number}-lxc"
        assert "db" not in mine["nova"] and "mariadb" not in mine
    known = yaml.safe_load((tmp_path / "node/secrets.yaml").read_text())["parameter_defaults"]
    assert set(known) == {"NovaServicePassword", "RabbitPassword"}
    template = yaml.safe_load((tmp_path / "node/hypervisor-node.yaml").read_text())
    assert set(template["outputs"]) == {"Addresses"}


def test_secrets_can_be_elsewhere_and_follow_the_joined_cloud(tmp_path: Path) -> None:
    assert run(UNDERCLOUD, "-o", tmp_path / "deep/down") == 0
    there = tmp_path / "deep/down/secrets.yaml"
    assert run(NODE, "-o", tmp_path / "node", "--joined-secrets", there) == 0
    changed = yaml.safe_load(there.read_text())
    changed["parameter_defaults"]["RabbitPassword"] = "another"
    there.write_text(yaml.safe_dump(changed))
    assert run(NODE, "-o", tmp_path / "node", "--joined-secrets", there) == 0
    assert metadata(tmp_path / "node", "hypervisor-0")["rabbit"]["password"] == "another"


def test_without_the_joined_clouds_secrets_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(NODE, "-o", tmp_path / "node") == 2
    said = capsys.readouterr().err
    assert "no NovaServicePassword, RabbitPassword, secrets of undercloud" in said
    assert not (tmp_path / "node").exists()


def test_settings_of_the_joined_cloud_count_for_its_own_keys_only(examples: Path) -> None:
    file = examples / "undercloud.yaml"
    rewrite(file, "    config:\n", "    config:\n      rabbit: {username: other}\n")
    rewrite(file, "neutron:\n", "neutron:\n        debug: true\n")
    assert run(file, "-o", examples / "undercloud") == 0
    assert run(examples / "hypervisor-node.yaml", "-o", examples / "node") == 0
    mine = metadata(examples / "node", "hypervisor-0")
    assert mine["rabbit"]["username"] == "other"
    assert mine["neutron"]["debug"] is False


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("join: undercloud.yaml", "join: missing.yaml", "missing.yaml: No such file"),
        ("join: undercloud.yaml", "join: hypervisor-node.yaml", "joins another itself"),
        ("join: undercloud.yaml\n", "", "nova-lxc needs nova-api, which no role has"),
        ("join: undercloud.yaml", "join: 3", "join: 3 is not a cloud file"),
        ("name: hypervisor-node", "name: undercloud", "joins is called undercloud"),
        ("192.168.24.3]", "192.168.24.1]", "192.168.24.1 is also that of 'undercloud' of"),
        ("192.168.24.0/24", "192.168.24.0/25", "network 'ctlplane' is another one in undercloud"),
        (
            "nova-lxc]",
            "nova-lxc, glance]",
            "glance contributes to keystone.services, mariadb.databases",
        ),
    ],
)
def test_what_does_not_fit_is_said(
    examples: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    file = rewrite(examples / "hypervisor-node.yaml", old, new)
    assert run(file, "-o", examples / "out") == 2
    assert said in capsys.readouterr().err


def test_a_cloud_without_fixed_addresses_cannot_be_joined(
    examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(examples / "undercloud.yaml", "    addresses: {ctlplane: [192.168.24.1]}\n", "")
    assert run(examples / "hypervisor-node.yaml", "-o", examples / "out") == 2
    assert "'undercloud' of undercloud has no fixed address on ctlplane" in capsys.readouterr().err


def test_problems_of_the_joined_file_are_said_with_their_place(
    examples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rewrite(examples / "undercloud.yaml", "      - mariadb\n", "      - mariabd\n")
    assert run(examples / "hypervisor-node.yaml", "-o", examples / "out") == 2
    said = capsys.readouterr().err
    assert "undercloud.yaml:" in said and "unknown service 'mariabd'" in said
    assert "needs" not in said
