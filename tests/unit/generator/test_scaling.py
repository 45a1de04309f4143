# SPDX-License-Identifier: Apache-2.0
"""How many instances a role can have: as many as are of use."""

from pathlib import Path

import pytest
import yaml

from altostratus.datafiles import elements_path, templates_path
from altostratus.yamlfile.problems import InvalidInputError
from generator import cloudfile, contracts
from generator.cloudfile import services as chosen
from generator.cloudfile.model import Cloud
from generator.contracts.model import Contracts
from generator.output import render
from generator.plan.resolve import resolve

SERVICES = contracts.load(elements_path())
HEAD = """\
name: n
hypervisors: [lxc]
networks: {ctlplane: {cidr: 192.168.24.0/24}}
"""
CONTROLLER = "mariadb, rabbitmq, memcached, control, network"


def read(roles: str, known: Contracts = SERVICES) -> Cloud:
    return cloudfile.parse(f"{HEAD}roles:\n{roles}".encode(), "f", known)


def problems(roles: str, known: Contracts = SERVICES) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        read(roles, known)
    assert all(one.hint for one in error.value.problems)
    return [f"{one.mark}: {one.message}" for one in error.value.problems]


def counts(cloud: Cloud, known: Contracts = SERVICES) -> dict[str, dict[str, int]]:
    """The limits of the numbers of instances that Heat will hold an update to."""
    text = render.files(resolve(cloud, known), templates_path(), {})[f"{cloud.name}.yaml"].text
    return {
        name: one["constraints"][0]["range"]
        for name, one in yaml.safe_load(text)["parameters"].items()
        if name.endswith("Count")
    }


def test_keystone_of_which_one_would_be_used() -> None:
    roles = "  base: {services: [mariadb, memcached]}\n  api: {services: [keystone], count: 3}\n"
    said = "f:6:20: keystone: 3 instances, of which only the first would be used"
    assert problems(roles) == [said]
    assert counts(read(roles.replace("3", "1")))["ApiCount"] == {"min": 1, "max": 1}


def test_two_roles_of_one_each() -> None:
    roles = "  a: {services: [mariadb, memcached, keystone]}\n  b: {services: [keystone]}\n"
    said = "keystone: 2 instances, of which only the first would be used"
    assert problems(roles) == [f"f:5:38: {said}", f"f:6:18: {said}"]


@pytest.mark.parametrize(
    "service",
    ["keystone", "glance", "heat", "neutron-server", "nova-api", "placement", "memcached"],
)
def test_every_service_with_one_address(service: str) -> None:
    roles = f"  all: {{services: [{CONTROLLER}]}}\n"
    assert read(roles)
    (more,) = problems(f"{roles}  more: {{services: [{service}]}}\n")[-1:]
    assert f": {service}: 2 instances, of which only the first would be used" in more


@pytest.mark.parametrize(
    "services",
    [
        "nova-lxc, neutron-openvswitch-agent",
        "nova-kvm, neutron-openvswitch-agent",
        "nova-docker, neutron-openvswitch-agent",
        "nova-conductor",
        "nova-scheduler",
        "neutron-dhcp-agent, neutron-openvswitch-agent, neutron-metadata-agent",
        "docker-registry",
    ],
)
def test_what_scales_goes_on_scaling(services: str) -> None:
    roles = f"  all: {{services: [{CONTROLLER}]}}\n  node: {{services: [{services}], count: 9}}\n"
    found = counts(read(roles))
    assert found == {"AllCount": {"min": 1, "max": 1}, "NodeCount": {"min": 1}}


def test_a_cache_without_users_scales() -> None:
    assert counts(read("  cache: {services: [memcached], count: 2}\n")) == {
        "CacheCount": {"min": 1}
    }


def test_the_joined_clouds_instance_does_not_count(services: Contracts, tmp_path: Path) -> None:
    fixed = "{services: [queue], addresses: {ctlplane: [192.168.24.%d]}}"
    text = HEAD.replace("24}", "24, pool: [192.168.24.100, 192.168.24.200]}")
    (tmp_path / "a.yaml").write_text(
        f"{text}roles: {{one: {fixed % 5}}}\n".replace("n\n", "a\n", 1)
    )
    mine = f"join: a.yaml\n{text}roles: {{two: {fixed % 6}}}\n"
    assert cloudfile.parse(mine.encode(), str(tmp_path / "b.yaml"), services).services == {"queue"}


def test_a_contract_can_say_that_instances_share_the_work(services: Contracts) -> None:
    assert chosen.single({"queue", "keystone", "mariadb", "memcached"}, services) == {
        *("queue", "mariadb")
    }
    roles = "  a: {services: [mariadb, memcached]}\n  b: {services: [keystone], count: 3}\n"
    assert counts(read(roles, services), services)["BCount"] == {"min": 1}
