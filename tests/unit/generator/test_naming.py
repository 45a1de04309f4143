# SPDX-License-Identifier: Apache-2.0
"""Names that follow from cloud files: no two things have the same one."""

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given
from hypothesis import strategies as st

from altostratus.datafiles import elements_path, templates_path
from altostratus.yamlfile.problems import InvalidInputError
from devtest.cloud import heatenv
from generator import cloudfile, contracts, generate
from generator.cloudfile import naming
from generator.contracts.model import Contracts
from generator.output import names, render
from generator.plan.resolve import resolve
from imagebuild import images

NETWORKS = "hypervisors: [lxc]\nnetworks: {ctlplane: {cidr: 192.168.24.0/24}}\n"
# What the grammar lets through, with many hyphens and few letters, so that names come near.
NAMES = st.from_regex(r"[ab]([ab0-]{0,4}[ab0])?", fullmatch=True)


def read(name: str, roles: str, known: Contracts) -> Any:
    return cloudfile.parse(f"name: {name}\n{NETWORKS}roles: {{{roles}}}\n".encode(), "f", known)


def shared(one: Any, other: Any) -> set[str]:
    """The names in Glance, Nova and Neutron that two clouds share."""

    def names(cloud: Any) -> set[str]:
        found = set()
        for role in cloud.roles.values():
            found |= {naming.image_name(cloud, role), naming.flavor_name(cloud, role)}
            for network in role.networks:
                found |= {naming.neutron_port_name(cloud, role.instance(0), network)}
        return found

    return names(one) & names(other)


@given(NAMES, NAMES, NAMES, NAMES)
def test_no_two_clouds_share_a_name(
    services: Contracts, one: str, its: str, other: str, theirs: str
) -> None:
    assume(one != other)
    role = "{services: [memcached]}"
    clouds = (read(one, f"{its}: {role}", services), read(other, f"{theirs}: {role}", services))
    assert not shared(*clouds)


def test_the_reported_clouds(services: Contracts) -> None:
    role = "{services: [memcached]}"
    prod = read("prod", f"db-main: {role}", services)
    other = read("prod-db", f"main: {role}", services)
    assert naming.flavor_name(prod, prod.roles["db-main"]) == "prod-db-main"
    assert naming.flavor_name(other, other.roles["main"]) == "prod-db.main"
    assert [one.name for one in render.images(other)] == ["prod-db.main-lxc"]
    assert not shared(prod, other)


def test_images_have_names_that_lists_allow(services: Contracts, tmp_path: Path) -> None:
    cloud = read("a-b-c", "d-e: {services: [memcached]}", services)
    path = tmp_path / "images.yaml"
    path.write_text(render.image_list(cloud))
    assert images.read_images(path) == render.images(cloud)


def test_ports_of_a_stack_have_names_of_their_own(services: Contracts) -> None:
    # With hyphens alone, a-0-b-0 on c would be a-0 on b-0-c.
    networks = "networks: {ctlplane: {cidr: 10.0.0.0/24}, c: {vlan: 2, cidr: 10.0.1.0/24}, "
    networks += "b-0-c: {vlan: 3, cidr: 10.0.2.0/24}}\n"
    roles = "roles: {a: {services: [memcached]}, a-0-b: {services: [memcached]}}\n"
    cloud = cloudfile.parse(
        f"name: n\nhypervisors: [lxc]\n{networks}{roles}".encode(), "f", services
    )
    names = [
        naming.neutron_port_name(cloud, role.instance(0), network)
        for role in cloud.roles.values()
        for network in role.networks
    ]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", ["secrets", "environment", "images", "images-env"])
def test_a_cloud_does_not_overwrite_its_own_files(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cloud = tmp_path / "mine.yaml"
    cloud.write_text(f"name: {name}\n{NETWORKS}roles: {{one: {{services: [memcached]}}}}\n")
    assert generate.main([str(cloud), "-o", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert f"{cloud}:1:7: name: the template would be {name}.yaml" in said
    assert "hint: give the cloud another name" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["networks", "flavors", "metadata", "templates", "manifest"])
def test_other_names_are_free(name: str, services: Contracts) -> None:
    cloud = read(name, "one: {services: [memcached]}", services)
    files = render.files(resolve(cloud, services), templates_path(), {})
    assert yaml.safe_load(files[f"{name}.yaml"].text)["resources"]
    assert json.loads(files[names.NETWORKS].text)["networks"]


def test_every_other_yaml_file_is_reserved(services: Contracts) -> None:
    cloud = read("plain", "one: {services: [memcached]}", services)
    files = render.files(resolve(cloud, services), templates_path(), {}).keys()
    others = {name for name in files if "/" not in name} - {names.stack("plain")}
    taken = {*others, heatenv.IMAGES, names.RECORD}
    assert {f"{name}.yaml" for name in naming.RESERVED} == {
        name for name in taken if name.endswith(".yaml")
    }


def test_secrets_with_one_parameter(tmp_path: Path) -> None:
    """Heat would give both the same value."""
    for name in ("a", "a-x"):
        (tmp_path / name).mkdir()
        secret = {"a": "a.x-y", "a-x": "a-x.y"}[name]
        (tmp_path / name / "service.yaml").write_text(
            f"service: {name}\nsummary: x\nsecrets: {{{secret}: password}}\n"
        )
    with pytest.raises(InvalidInputError) as error:
        read("n", "one: {services: [a]}", contracts.load(tmp_path))
    (problem,) = error.value.problems
    assert problem.message == "the secret a-x.y and the secret a.x-y have the same parameter, AXY"
    assert problem.mark.file.endswith("a-x/service.yaml") and problem.mark.line == 3


def test_secrets_of_the_project_have_parameters_of_their_own() -> None:
    secrets = contracts.load(elements_path()).secrets
    parameters = [naming.secret_parameter(name) for name in secrets]
    assert len(set(parameters)) == len(parameters)


@pytest.mark.parametrize("pair", list(combinations(["a-1", "a1", "a--1"], 2)))
def test_roles_that_become_one(pair: tuple[str, str], services: Contracts) -> None:
    roles = ", ".join(f"{name}: {{services: [memcached]}}" for name in pair)
    with pytest.raises(InvalidInputError, match="both have a resource A1"):
        read("n", roles, services)
