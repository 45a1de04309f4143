# SPDX-License-Identifier: Apache-2.0
"""How the elements learn which nova-compute processes there are: defaults, resolver, scripts."""

import json
import os
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from generator import cloudfile, contracts, literals, metadata
from generator.resolve import resolve
from imagebuild.datafiles import elements_path
from novadrivers import processes

ELEMENTS = elements_path()
NOVA_COMPUTE = ELEMENTS / "nova-compute"
LIBRARY = ELEMENTS / "os-config-agents/agents/usr/local/lib/altostratus"
SHARED = NOVA_COMPUTE / "static/usr/local/lib/altostratus/nova-compute.sh"
CLOUD = """
name: node
join: {undercloud}
hypervisors: [lxc]
networks:
  ctlplane: {{cidr: 192.168.24.0/24, pool: [192.168.24.100, 192.168.24.200]}}
roles:
  node:
    services: [nova-lxc, neutron-openvswitch-agent]
    addresses: {{ctlplane: [192.168.24.9]}}
"""


@pytest.fixture(scope="module")
def defaults() -> Any:
    """What an image with the element nova-lxc has."""
    folder = ELEMENTS / "nova-lxc/static/usr/share/altostratus/nova-defaults"
    return {file.stem: json.loads(file.read_text()) for file in folder.iterdir()}


@pytest.fixture(scope="module")
def node() -> dict[str, Any]:
    """The metadata of a node as the generator makes them."""
    known = contracts.load(ELEMENTS)
    undercloud = ELEMENTS.parent / "examples/undercloud.yaml"
    plan = resolve(cloudfile.parse(CLOUD.format(undercloud=undercloud).encode(), "f", known), known)
    role = plan.cloud.roles["node"]
    values = literals.LiteralValues(plan, role, 0, dict.fromkeys(plan.secrets, "secret"))
    return metadata.tree(plan, role, values.value, values.own)


def test_defaults_are_the_contracts(defaults: Any) -> None:
    assert list(defaults) == ["lxc"]
    assert defaults["lxc"]["state_path"] == "/var/lib/nova-lxc"
    assert defaults["lxc"]["tuning"]["ram_allocation_ratio"] == 4.0
    assert "compute_hostname" not in defaults["lxc"]


def test_the_generators_metadata_are_complete(node: dict[str, Any], defaults: Any) -> None:
    assert processes.resolved(node, defaults, defaults) == node


def test_old_metadata_give_every_key_that_templates_read(
    node: dict[str, Any], defaults: Any
) -> None:
    old = {key: value for key, value in node.items() if key != "nova-lxc"}
    old["nova"] = {**old["nova"], "compute_libvirt_type": "lxc", "compute_hostname": "cloud-7"}
    complete = processes.resolved(old, defaults, defaults)["nova-lxc"]
    assert complete == {
        **node["nova-lxc"],
        "compute_hostname": "cloud-7",
        "state_path": processes.OLD_STATE_PATH,
    }


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "defaults").mkdir()
    for name, text in (("lxc", '{"state_path": "/s"}'), ("docker", "{}")):
        (tmp_path / f"defaults/{name}.json").write_text(text)
    return tmp_path / "metadata.json"


def complete(file: Path, content: Any) -> int:
    file.write_text(json.dumps(content))
    return processes.main([str(file), str(file.with_name("defaults"))])


def test_program_completes_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(file, {"instance": {"name": "n"}, "nova-lxc": {}, "nova-kvm": {}}) == 0
    lxc = {"state_path": "/s", "compute_hostname": "n-lxc", "agent_host": "n"}
    assert json.loads(file.read_text())["nova-lxc"] == lxc
    assert json.loads(file.read_text())["nova-kvm"] == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert capsys.readouterr().out == "nova-lxc (in nova-lxc): n-lxc, /s\n"


def test_program_leaves_complete_metadata_alone(file: Path) -> None:
    complete(file, {"instance": {"name": "n"}, "nova-lxc": {}})
    before = file.stat()
    text = file.read_text()
    assert processes.main([str(file), str(file.with_name("defaults"))]) == 0
    assert (file.read_text(), file.stat().st_ino) == (text, before.st_ino)


def test_program_says_what_is_wrong(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"compute_hostname": "n"}
    assert complete(file, {"nova-lxc": same, "nova-docker": {**same, "state_path": "/d"}}) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "error: nova-lxc (in nova-lxc) and nova-docker (in nova-docker) have the"
    )


@pytest.mark.parametrize(
    ("content", "is_active", "reached", "calls"),
    [
        ({"nova-lxc": {"state_path": "/s"}}, True, True, []),
        ({"nova-docker": {"state_path": "/s"}}, False, False, []),
        ({}, True, False, ["disable --now nova-compute-lxc.service"]),
    ],
)
def test_a_script_ends_where_its_process_is_not_described(
    content: Any, is_active: bool, reached: bool, calls: list[str], tmp_path: Path
) -> None:
    (tmp_path / "metadata.json").write_text(json.dumps(content))
    systemctl = tmp_path / "systemctl"
    active = "0" if is_active else "3"
    answer = f'case "$*" in *is-active*) exit {active} ;; esac'
    systemctl.write_text(f'#!/bin/bash\n{answer}\necho "$*" >> {tmp_path}/calls\n')
    script = tmp_path / "60-nova-lxc"
    script.write_text(
        f"#!/bin/bash\nset -eu -o pipefail\n. {LIBRARY}/refresh.sh\n. {SHARED}\necho reached\n"
    )
    for path in (systemctl, script):
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REFRESH_LIB": str(LIBRARY),
        "REFRESH_METADATA": str(tmp_path / "metadata.json"),
    }
    done = subprocess.run([script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == ("reached\n" if reached else "")
    assert ("describe no process of type lxc" in done.stderr) == (not reached)
    written = tmp_path / "calls"
    assert (written.read_text().splitlines() if written.exists() else []) == calls
