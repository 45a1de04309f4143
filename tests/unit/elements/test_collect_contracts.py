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
Collect = Callable[..., tuple[list[str], list[str], list[str]]]


@pytest.fixture
def collect(tmp_path: Path) -> Collect:
    """Run the extra-data.d hook as diskimage-builder does; return the lists that it writes.

    They are those of units, health checks and public ports.
    """

    def run(elements: dict[str, Path]) -> tuple[list[str], list[str], list[str]]:
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
        inside = tmp_path / "static/usr/share/altostratus"
        files = (tmp_path / "units", inside / "health", inside / "public")
        units, health, public = (path.read_text().splitlines() for path in files)
        return units, health, public

    return run


def test_units_and_checks_of_the_elements_in_the_build(collect: Collect, tmp_path: Path) -> None:
    contract = """service: b
units: [b-engine, b-api, "shared@x"]
health: [{name: the B API, port: 80, path: /v2}, {name: B, port: 81}]
endpoint: {type: b, name: b, port: 81}
listens: [{port: b.port, scope: public}, {port: 80, scope: service}, {port: 9, scope: loopback}]
"""
    (tmp_path / "b").mkdir()
    (tmp_path / "b/service.yaml").write_text(contract)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/service.yaml").write_text('service: a\nunits: ["shared@x"]\n')
    (tmp_path / "c").mkdir()
    units, health, public = collect({name: tmp_path / name for name in "abc"})
    assert units == ["b-api.service", "b-engine.service", "shared@x.service"]
    assert health == ["80 /v2 the B API", "81 / B"]
    assert public == ["81", "b.port"]


def test_the_projects_own_contracts(collect: Collect) -> None:
    known = contracts.load(ELEMENTS).by_name
    units, health, public = collect({name: ELEMENTS / name for name in known})
    assert units == sorted({f"{unit}.service" for each in known.values() for unit in each.units})
    checks = [check for each in known.values() for check in each.health]
    assert health == [f"{check.port} {check.path} {check.name}" for check in checks]
    assert "9292 /healthcheck Glance" in health
    listeners = [one for each in known.values() for one in each.listens]
    assert public == sorted(str(one.port) for one in listeners if one.scope == "public")
    assert {"5000", "8000", "docker-registry.port"} <= set(public)
    assert not {"3306", "5672", "8775", "8801", "11211"} & set(public)


def test_an_image_without_services(collect: Collect, tmp_path: Path) -> None:
    assert collect({"debian-minimal": tmp_path / "debian-minimal"}) == ([], [], [])


def test_a_refresh_asks_every_api(tmp_path: Path) -> None:
    """The script of the instance, with its paths below a directory of this test."""
    (tmp_path / "health").write_text("80 /v2 the B API\n81 / B\n")
    (tmp_path / "metadata.json").write_text('{"instance": {"service_address": "172.16.2.9"}}')
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
    environment = {
        **os.environ,
        "REFRESH_LIB": str(library.parent),
        "REFRESH_METADATA": str(tmp_path / "metadata.json"),
    }
    subprocess.run(["bash", "-c", text], check=True, env=environment)
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked == ["172.16.2.9 80 /v2", "172.16.2.9 81 /"]


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
