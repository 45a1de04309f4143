# SPDX-License-Identifier: Apache-2.0
"""generate-stacks beside generate-stacks, in one directory: real processes, many rounds."""

import json
import multiprocessing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import yaml

from altostratus.datafiles import examples_path
from generator import generate

UNDERCLOUD = examples_path() / "undercloud.yaml"
PROCESSES = 3
ROUNDS = 12
# Seconds, for a machine that is busy.
PATIENCE = 120


def run(barrier: Barrier, folder: Path) -> None:
    """Begin each round together with the other processes."""
    for number in range(ROUNDS):
        barrier.wait(PATIENCE)
        generate.generate(UNDERCLOUD, folder / str(number))


def test_secrets_are_those_of_the_metadata(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    barrier = processes.Barrier(PROCESSES)
    started = [processes.Process(target=run, args=(barrier, tmp_path)) for _ in range(PROCESSES)]
    for each in started:
        each.start()
    for each in started:
        each.join(PATIENCE)
    assert [each.exitcode for each in started] == [0] * PROCESSES
    for out in sorted(tmp_path.iterdir()):
        secrets = yaml.safe_load((out / "secrets.yaml").read_text())["parameter_defaults"]
        metadata = json.loads((out / "metadata/undercloud.json").read_text())
        assert metadata["keystone"]["admin-password"] == secrets["KeystoneAdminPassword"], out
        assert not [path.name for path in out.rglob(".*") if path.name != ".generate-stacks"]
        assert generate.main([str(UNDERCLOUD), "-o", str(out), "--check"]) == 0
    assert len(list(tmp_path.iterdir())) == ROUNDS
