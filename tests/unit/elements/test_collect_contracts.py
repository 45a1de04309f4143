# SPDX-License-Identifier: Apache-2.0
"""What a build takes from the contracts of its elements, and what an instance does with it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from altostratus.datafiles import elements_path
from generator import contracts

ELEMENTS = elements_path()
HOOKS = ELEMENTS / "os-config-hooks"
Collect = Callable[..., tuple[list[str], list[str]]]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Run the extra-data.d hook as diskimage-builder does; return the units and health lists."""

    def run(elements: dict[str, Path]) -> tuple[list[str], list[str]]:
        (tmp_path / "collect_contracts.py").symlink_to(HOOKS / "collect_contracts.py")
        directories = {name: str(path) for name, path in elements.items()}
        environment = {
            **os.environ,
            "DIB_PYTHON_EXEC": sys.executable,
            "TMP_HOOKS_PATH": str(tmp_path),
            "IMAGE_ELEMENT_YAML": yaml.safe_dump(directories),
        }
        hook = HOOKS / "extra-data.d/60-collect-contracts"
        subprocess.run([hook], env=environment, check=True)
        health = tmp_path / "static/usr/share/altostratus/health"
        return (tmp_path / "units").read_text().splitlines(), health.read_text().splitlines()

    return run


def test_units_and_checks_of_the_elements_in_the_build(collect: Collect, tmp_path: Path) -> None:
    contract = """service: b
units: [b-engine, b-api, "shared@x"]
health: [{name: the B API, port: 80, path: /v2}, {name: B, port: 81}]
"""
    (tmp_path / "b").mkdir()
    (tmp_path / "b/service.yaml").write_text(contract)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/service.yaml").write_text('service: a\nunits: ["shared@x"]\n')
    (tmp_path / "c").mkdir()
    units, health = collect({name: tmp_path / name for name in "abc"})
    assert units == ["b-api.service", "b-engine.service", "shared@x.service"]
    assert health == ["80 /v2 the B API", "81 / B"]


def test_the_projects_own_contracts(collect: Collect) -> None:
    known = contracts.load(ELEMENTS).by_name
    units, health = collect({name: ELEMENTS / name for name in known})
    assert units == sorted({f"{unit}.service" for each in known.values() for unit in each.units})
    checks = [check for each in known.values() for check in each.health]
    assert health == [f"{check.port} {check.path} {check.name}" for check in checks]
    assert "9292 /healthcheck Glance" in health


def test_an_image_without_services(collect: Collect, tmp_path: Path) -> None:
    assert collect({"debian-minimal": tmp_path / "debian-minimal"}) == ([], [])


def test_a_refresh_asks_every_api(tmp_path: Path) -> None:
    """The script of the instance, with its paths below a directory of this test."""
    (tmp_path / "health").write_text("80 /v2 the B API\n81 / B\n")
    answers = tmp_path / "http-answers.py"
    answers.write_text(f'#!/bin/sh\ncat\necho "$@" >> {tmp_path}/asked\n')
    answers.chmod(0o755)
    library = ELEMENTS / "os-config-agents/agents/usr/local/lib/altostratus/refresh.sh"
    script = HOOKS / "os-refresh-config/post-configure.d/95-services-answer"
    text = script.read_text()
    for inside, outside in (
        (". /usr/local/lib/altostratus/refresh.sh", f". {library}"),
        ("/usr/local/lib/altostratus/http-answers.py", str(answers)),
        ("/usr/share/altostratus/health", str(tmp_path / "health")),
    ):
        assert inside in text
        text = text.replace(inside, outside)
    subprocess.run(["bash", "-c", text], check=True)
    assert (tmp_path / "asked").read_text().splitlines() == ["80 /v2", "81 /"]


def test_the_build_disables_units_and_rejects_missing_ones(tmp_path: Path) -> None:
    """systemctl disable succeeds for a unit that does not exist; the hook must not."""
    fake = tmp_path / "bin/systemctl"
    fake.parent.mkdir()
    fake.write_text(
        '#!/bin/sh\n[ "$1" = disable ] && exec echo "$2"\n'
        "case $2 in\na.service) echo enabled ;;\n"
        "b@x.service) echo disabled; exit 1 ;;\n*) exit 1 ;;\nesac\n"
    )
    fake.chmod(0o755)
    hook = tmp_path / "post-install.d/60-disable-units"
    hook.parent.mkdir()
    hook.symlink_to(HOOKS / "post-install.d/60-disable-units")
    environment = {**os.environ, "PATH": f"{fake.parent}:{os.environ['PATH']}"}

    def run(*units: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "units").write_text("".join(f"{unit}\n" for unit in units))
        return subprocess.run([hook], env=environment, capture_output=True, text=True)

    done = run("a.service", "b@x.service")
    assert (done.returncode, done.stdout) == (0, "a.service\nb@x.service\n")
    done = run("a.service", "c.service")
    assert done.returncode == 1
    assert "error: a contract lists the unit c.service, but the image has none" in done.stderr
    assert run().returncode == 0
