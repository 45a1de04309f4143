# SPDX-License-Identifier: Apache-2.0
"""nova-compute processes that get in each other's way are refused before anything is written."""

from pathlib import Path

import pytest

from generator import cloudfile, contracts, generate, processcheck
from generator.resolve import resolve
from imagebuild.datafiles import elements_path, examples_path
from imagebuild.errors import InputError

CLOUD = """
name: nodes
join: {undercloud}
hypervisors: [lxc]
networks:
  ctlplane: {{cidr: 192.168.24.0/24, pool: [192.168.24.100, 192.168.24.200]}}
roles:
  compute:
    services: [nova-lxc, neutron-openvswitch-agent]
    count: 2
{config}
"""


def check(config: str) -> None:
    known = contracts.load(elements_path())
    undercloud = examples_path() / "undercloud.yaml"
    text = CLOUD.format(undercloud=undercloud, config=config and f"    config: {config}")
    processcheck.check(resolve(cloudfile.parse(text.encode(), "f", known), known))


def test_defaults_do_not_clash() -> None:
    check("")
    check("{nova-lxc: {state_path: /srv/nova}}")


def test_one_name_for_several_instances() -> None:
    with pytest.raises(InputError) as error:
        check("{nova-lxc: {compute_hostname: compute}}")
    both = "nova-lxc of compute-0 and nova-lxc of compute-1"
    assert str(error.value) == f"role 'compute': {both} have the same host, compute"


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (
            "{nova-kvm: {state_path: /var/lib/nova-lxc}}",
            "nova-kvm (in nova-kvm) and nova-lxc (in nova-lxc) have the same state path, "
            "/var/lib/nova-lxc",
        ),
        (
            "{nova-docker: {compute_hostname: n}, nova-ironic: {compute_hostname: n}}",
            "nova-docker (in nova-docker) and nova-ironic (in nova-ironic) have the same host, n",
        ),
    ],
)
def test_processes_of_one_node(config: str, message: str) -> None:
    text = (examples_path() / "undercloud.yaml").read_text() + f"\nconfig: {config}\n"
    known = contracts.load(elements_path())
    with pytest.raises(InputError) as error:
        processcheck.check(resolve(cloudfile.parse(text.encode(), "f", known), known))
    assert str(error.value) == f"role 'undercloud': {message}"


@pytest.mark.parametrize("name", ["undercloud.yaml", "overcloud.yaml"])
def test_the_command_checks(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(processcheck, "check", seen.append)
    generate.generate(examples_path() / name, tmp_path)
    assert [plan.cloud.name for plan in seen] == [Path(name).stem]
