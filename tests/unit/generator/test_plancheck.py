# SPDX-License-Identifier: Apache-2.0
"""A plan that cannot be is refused, at its places in the file, before anything is written."""

from dataclasses import replace
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path, examples_path
from altostratus.yamlfile.problems import InvalidInputError
from generator import cloudfile, contracts, generate
from generator.contracts.references import Reference, Text
from generator.plan import check_plan
from generator.plan.model import Plan
from generator.plan.resolve import resolve

CLOUD = """
name: nodes
join: {undercloud}
hypervisors: [lxc]
networks:
  ctlplane: {{cidr: 192.168.24.0/24, pool: [192.168.24.100, 192.168.24.200]}}
roles:
  compute:
    services: [nova-lxc, neutron-openvswitch-agent]
    count: 3
{config}
"""


def plan_of(text: str) -> Plan:
    known = contracts.load(elements_path())
    return resolve(cloudfile.parse(text.encode(), "f", known), known)


def nodes(config: str) -> Plan:
    undercloud = examples_path() / "undercloud.yaml"
    return plan_of(CLOUD.format(undercloud=undercloud, config=config and f"    config: {config}"))


def problems(plan: Plan) -> list[str]:
    with pytest.raises(InvalidInputError) as error:
        check_plan.check(plan)
    assert all(one.hint for one in error.value.problems)
    return [f"{one.mark}: {one.message}" for one in error.value.problems]


def test_defaults_do_not_clash() -> None:
    check_plan.check(nodes(""))
    check_plan.check(nodes("{nova-lxc: {state_path: /srv/nova}}"))


def test_one_name_for_several_instances() -> None:
    both = "nova-lxc of compute-0 and nova-lxc of compute-1"
    assert problems(nodes("{nova-lxc: {compute_hostname: compute}}")) == [
        f"f:11:43: role 'compute': {both} have the same host, compute"
    ]


def test_every_clash_on_a_node_is_told_at_once() -> None:
    config = "{nova-kvm: {state_path: /var/lib/nova-lxc}, nova-docker: {compute_hostname: n},"
    text = (examples_path() / "undercloud.yaml").read_text()
    lines = text.count("\n")
    text += f"\nconfig: {config} nova-ironic: {{compute_hostname: n}}}}\n"
    docker, kvm = (f"f:{lines + 2}:{column}: role 'undercloud': nova-" for column in (85, 33))
    assert problems(plan_of(text)) == [
        f"{kvm}kvm (in nova-kvm) and nova-lxc (in nova-lxc) have the same state path, "
        "/var/lib/nova-lxc",
        f"{docker}docker (in nova-docker) and nova-ironic (in nova-ironic) have the same host, n",
    ]


def test_addresses_that_nobody_has() -> None:
    plan = nodes("")
    values = {
        "nova.my_ip": Text((Reference("self", "storage.address"),)),
        "nova.host": Text((Reference("address", "swift"),)),
    }
    there = "f:8:3: role 'compute'"
    wrong = replace(plan, metadata={"compute": {**plan.metadata["compute"], **values}})
    assert problems(wrong) == [
        f"{there}: nova.host is the address of swift, which no role has",
        f"{there}: nova.my_ip is its address on storage, which it is not on",
    ]


def test_nothing_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clash = "\nconfig: {nova-lxc: {compute_hostname: n}, nova-kvm: {compute_hostname: n}}\n"
    cloud_file = tmp_path / "cloud.yaml"
    cloud_file.write_text((examples_path() / "undercloud.yaml").read_text() + clash)
    assert generate.main([str(cloud_file), "-o", str(tmp_path / "out")]) == 2
    assert "have the same host, n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
