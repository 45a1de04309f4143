# SPDX-License-Identifier: Apache-2.0
"""How the elements learn which nova-compute processes there are: defaults, resolver, scripts."""

import json
import os
import re
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from altostratus.datafiles import elements_path
from generator import cloudfile, contracts
from generator.output import literals
from generator.plan import metadata
from generator.plan.resolve import resolve
from novadrivers import processes

ELEMENTS = elements_path()
NOVA_COMPUTE = ELEMENTS / "nova-compute"
LIBRARY = ELEMENTS / "os-config-agents/agents/usr/local/lib/altostratus"
SHARED = NOVA_COMPUTE / "static/usr/local/lib/altostratus/nova-compute.sh"
# What made a process of each type in TripleO's layout.
OLD = {
    "kvm": {"compute_driver": "libvirt.LibvirtDriver"},
    "lxc": {"compute_driver": "libvirt.LibvirtDriver", "compute_libvirt_type": "lxc"},
    "docker": {"compute_driver": "novadocker.virt.docker.DockerDriver"},
    "ironic": {"compute_driver": "nova.virt.ironic.driver.IronicDriver"},
    "fake": {"compute_driver": "fake.FakeDriver"},
}
NODE = processes.Capacity(8000, 4)


@pytest.fixture(scope="module")
def defaults() -> Any:
    """What an image with the elements of all types has."""
    files = ELEMENTS.glob("nova-*/static/usr/share/altostratus/nova-defaults/*.json")
    return {file.stem: json.loads(file.read_text()) for file in files}


@pytest.fixture(scope="module")
def node() -> dict[str, Any]:
    """The metadata of a node with all types as the generator makes them."""
    known = contracts.load(ELEMENTS)
    text = (ELEMENTS.parent / "examples/undercloud.yaml").read_text()
    text = text.replace("      - nova-lxc\n", "      - nova-lxc\n      - nova-fake\n")
    # What the example sets is no default.
    text = re.sub(r"^ +nova-\w+: \{.*\}\n", "", text, flags=re.MULTILINE)
    plan = resolve(cloudfile.parse(text.encode(), "f", known), known)
    role = plan.cloud.roles["undercloud"]
    values = literals.LiteralValues(plan, role, 0, dict.fromkeys(plan.secrets, "secret"))
    return metadata.tree(plan, role, values.value, values.own)


def test_defaults_are_the_contracts(defaults: Any) -> None:
    assert sorted(defaults) == sorted(processes.TYPES)
    lxc = defaults["lxc"]["nova-lxc"]
    assert lxc["state_path"] == "/var/lib/nova-lxc"
    assert lxc["tuning"]["ram_allocation_ratio"] == 4.0
    assert "compute_hostname" not in lxc


def test_the_generators_metadata_lack_what_the_node_alone_knows(
    node: dict[str, Any], defaults: Any
) -> None:
    complete = processes.resolved(node, defaults, defaults, NODE)
    namespaces = {f"nova-{type_}" for type_ in processes.TYPES}
    assert {key: value for key, value in complete.items() if key not in namespaces} == {
        key: value for key, value in node.items() if key not in namespaces
    }
    assert complete["nova-lxc"] == node["nova-lxc"] | {
        "lock_path": "/var/lib/nova-lxc/lock",
        "tuning": node["nova-lxc"]["tuning"]
        | {"reserved_host_memory_mb": 8000 - 7488 // 3, "reserved_host_cpus": 3},
    }


@pytest.mark.parametrize("type_", processes.TYPES)
def test_old_metadata_give_every_key_that_templates_read(
    node: dict[str, Any], defaults: Any, type_: str
) -> None:
    own = f"nova-{type_}"
    rest = {key: value for key, value in node.items() if not key.startswith("nova-")}
    new = processes.resolved(rest | {own: node[own]}, defaults, defaults, NODE)
    shared = {key: value for key, value in node["nova"].items() if key not in ("debug", "my_ip")}
    shared.pop("max_attempts")
    old = rest | {
        "nova": shared | OLD[type_] | {"compute_hostname": "cloud-7"},
        "ironic": {key: node["ironic"][key] for key in ("db", "service-password")},
        "local-ipv4": node["nova"]["my_ip"],
    }
    complete = processes.resolved(old, defaults, defaults, NODE)
    assert complete[own] == new[own] | {
        "compute_hostname": "cloud-7",
        "state_path": processes.OLD_STATE_PATH,
        "lock_path": f"{processes.OLD_STATE_PATH}/lock",
    }
    missing = [key for key in keys_of_templates("nova", own) if look_up(complete, key) is None]
    assert not missing


def keys_of_templates(*elements: str) -> set[str]:
    return {
        key
        for element in elements
        for path in (ELEMENTS / element / "os-apply-config").rglob("*")
        if path.is_file()
        for key in re.findall(r"\{\{\{?([a-z][a-z0-9_.-]*)\}", path.read_text())
    }


def look_up(tree: Any, key: str) -> Any:
    for word in key.split("."):
        tree = tree.get(word, {})
    return None if tree == {} else tree


@pytest.mark.parametrize("type_", processes.TYPES)
def test_a_script_names_the_units_of_its_contract(type_: str) -> None:
    element = ELEMENTS / f"nova-{type_}"
    text = (element / f"os-refresh-config/post-configure.d/60-nova-{type_}").read_text()
    (given,) = re.findall(r"^\. \S*/nova-compute\.sh((?: \\\n)?.*)$", text, re.MULTILINE)
    named = given.replace("\\", " ").split()
    units = yaml.safe_load((element / "service.yaml").read_text())["units"]
    own = {f"{unit}.service" for unit in units} - {f"nova-compute-{type_}.service"}
    assert sorted(named) == sorted(own)
    # Before what they need to end in order.
    assert not named or "guests" in named[0] or type_ == "ironic"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "defaults").mkdir()
    for name, text in (("lxc", '{"nova-lxc": {"state_path": "/s"}}'), ("docker", "{}")):
        (tmp_path / f"defaults/{name}.json").write_text(text)
    return tmp_path / "metadata.json"


def complete(file: Path, content: Any) -> int:
    file.write_text(json.dumps(content))
    return processes.main([str(file), str(file.with_name("defaults"))], NODE)


def test_program_completes_the_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert complete(file, {"instance": {"name": "n"}, "nova-lxc": {}, "nova-kvm": {}}) == 0
    lxc = {
        "state_path": "/s",
        "lock_path": "/s/lock",
        "compute_hostname": "n-lxc",
        "agent_host": "n",
        "tuning": {"reserved_host_memory_mb": 512, "reserved_host_cpus": 0},
    }
    assert json.loads(file.read_text())["nova-lxc"] == lxc
    assert json.loads(file.read_text())["nova-kvm"] == {}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert capsys.readouterr().out == (
        "nova-lxc (in nova-lxc): n-lxc, /s, 7488 of 8000 MiB, 4 of 4 CPUs\n"
    )


def test_program_leaves_complete_metadata_alone(file: Path) -> None:
    complete(file, {"instance": {"name": "n"}, "nova-lxc": {}})
    before = file.stat()
    text = file.read_text()
    assert processes.main([str(file), str(file.with_name("defaults"))], NODE) == 0
    assert (file.read_text(), file.stat().st_ino) == (text, before.st_ino)


def test_program_says_what_is_wrong(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    same = {"compute_hostname": "n"}
    assert complete(file, {"nova-lxc": same, "nova-docker": {**same, "state_path": "/d"}}) == 1
    said = capsys.readouterr().err
    assert said.startswith(
        "error: nova-lxc (in nova-lxc) and nova-docker (in nova-docker) have the"
    )


@pytest.mark.parametrize(
    ("content", "is_enabled", "reached", "calls"),
    [
        ({"nova-lxc": {"state_path": "/s"}}, True, True, []),
        ({"nova-docker": {"state_path": "/s"}}, False, False, []),
        ({}, True, False, ["disable --now nova-compute-lxc.service guests@lxc.service b.service"]),
    ],
)
def test_a_script_ends_where_its_process_is_not_described(
    content: Any, is_enabled: bool, reached: bool, calls: list[str], tmp_path: Path
) -> None:
    done = script_of_a_type(json.dumps(content), is_enabled, tmp_path)
    assert done.returncode == 0
    assert done.stdout == ("reached\n" if reached else "")
    assert ("describe no process of type lxc" in done.stderr) == (not reached)
    assert stopped(tmp_path) == calls


def test_metadata_that_cannot_be_read_stop_nothing(tmp_path: Path) -> None:
    done = script_of_a_type("{", True, tmp_path)
    assert done.returncode == 1
    assert "cannot read the metadata" in done.stderr
    assert stopped(tmp_path) == []


def stopped(directory: Path) -> list[str]:
    """Return what systemctl was told to do."""
    written = directory / "calls"
    return written.read_text().splitlines() if written.exists() else []


def script_of_a_type(
    metadata: str, is_enabled: bool, tmp_path: Path, work: str = "echo reached"
) -> subprocess.CompletedProcess[str]:
    """Run a script 60-nova-lxc that does ``work``, by default says that it gets to it."""
    (tmp_path / "metadata.json").write_text(metadata)
    systemctl = tmp_path / "systemctl"
    enabled = "0" if is_enabled else "1"
    answer = f'case "$*" in *is-enabled*) exit {enabled} ;; esac'
    systemctl.write_text(f'#!/bin/bash\n{answer}\necho "$*" >> {tmp_path}/calls\n')
    script = tmp_path / "60-nova-lxc"
    script.write_text(
        f"#!/bin/bash\nset -eu -o pipefail\n. {LIBRARY}/refresh.sh\n. {SHARED} \\\n  "
        f"guests@lxc.service b.service\n{work}\n"
    )
    for path in (systemctl, script):
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "REFRESH_LIB": str(LIBRARY),
        "REFRESH_METADATA": str(tmp_path / "metadata.json"),
    }
    return subprocess.run([script], env=environment, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("arguments", "states", "lock"),
    [
        ("lxc", "-o root -g root -m 0700", "-o root -g root -m 0700"),
        ("lxc nova", "-o nova -g nova -m 0700", "-o nova -g nova -m 0700"),
        ("lxc root guest", "-o root -g guest -m 2710", "-o root -g root -m 0700"),
    ],
)
def test_nobody_else_enters_a_state_directory(
    arguments: str, states: str, lock: str, tmp_path: Path
) -> None:
    call = f'install() {{ echo "$*"; }}; nova_compute_directories {arguments}'
    metadata = json.dumps({"nova-lxc": {"state_path": "/s", "lock_path": "/l"}})
    done = script_of_a_type(metadata, True, tmp_path, call)
    assert done.stdout.splitlines() == [f"-d {states} /s /s/instances", f"-d {lock} /l"]


@pytest.mark.parametrize("type_", processes.TYPES)
def test_what_a_process_writes_is_not_readable_by_others(type_: str) -> None:
    unit = (ELEMENTS / f"nova-{type_}/systemd/nova-compute-{type_}.service").read_text()
    (mask,) = re.findall(r"^UMask=(.*)$", unit, re.MULTILINE)
    assert mask == ("0027" if type_ == "kvm" else "0077")
    # It would win over the units.
    shared = ELEMENTS / "nova-compute/systemd/nova-compute-.service.d/shared.conf"
    assert "UMask" not in shared.read_text()
