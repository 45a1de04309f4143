# SPDX-License-Identifier: Apache-2.0
"""The table of process types agrees with the hypervisor types and with the elements' contracts."""

import subprocess
import sys
from pathlib import Path

import pytest

from altostratus.datafiles import elements_path
from altostratus.hypervisors import HYPERVISORS
from generator import contracts
from generator.contracts.model import Contract
from novadrivers.processes import TYPES, ProcessType

RESERVED = ("reserved_host_memory_mb", "reserved_host_cpus")


@pytest.fixture(scope="module")
def processes() -> dict[str, Contract]:
    """Contracts of nova-compute processes by type: those with a driver."""
    known = contracts.load(elements_path())
    return {
        name.removeprefix("nova-"): contract
        for name, contract in known.by_name.items()
        if f"{name}.compute_driver" in contract.keys
    }


def test_the_types_are_the_hypervisor_types_and_fake() -> None:
    assert tuple(TYPES) == (*HYPERVISORS, "fake")
    assert [row.name for row in TYPES.values()] == list(TYPES)


def test_every_type_has_an_element(processes: dict[str, Contract]) -> None:
    assert set(processes) == set(TYPES)


@pytest.mark.parametrize("type_", HYPERVISORS)
def test_only_bare_metal_does_not_share_the_node(type_: str) -> None:
    assert TYPES[type_].shares_node != HYPERVISORS[type_].bare_metal


@pytest.mark.parametrize("row", TYPES.values(), ids=list(TYPES))
def test_contracts_have_the_keys_that_the_table_expects(
    row: ProcessType, processes: dict[str, Contract]
) -> None:
    keys = processes[row.name].keys
    for leaf in RESERVED:
        assert (f"{row.namespace}.tuning.{leaf}" in keys) == row.shares_node
    assert {f"{service}.{leaf}" for service, leaf in row.services.items()} <= set(keys)
    assert {key.partition(".")[0] for key in keys} == {row.namespace, *row.services}


def test_old_words_are_unambiguous() -> None:
    words = [word for row in TYPES.values() for word in row.old_drivers + row.old_libvirt_types]
    assert len(words) == len(set(words))


def test_the_package_is_a_program(tmp_path: Path) -> None:
    """As configure.d/30-nova-processes runs it, with the standard library alone."""
    top = Path(__file__).parents[3]
    metadata = tmp_path / "metadata.json"
    metadata.write_text('{"instance": {"name": "n"}, "nova-fake": {}}')
    (tmp_path / "fake.json").write_text("{}")
    code = "import runpy, sys; sys.path.insert(0, sys.argv.pop(1));"
    code += "runpy.run_module('novadrivers.processes', run_name='__main__')"
    command = [sys.executable, "-IS", "-c", code, str(top), str(metadata), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "nova-fake (in nova-fake): n-fake, /var/lib/nova-fake\n"
    assert '"lock_path": "/var/lib/nova-fake/lock"' in metadata.read_text()
