# SPDX-License-Identifier: Apache-2.0
"""The shell library of os-refresh-config scripts, sourced by scripts, its commands replaced.

Each replacement writes its arguments to ``calls`` and behaves as the files beside it say.
"""

import json
import subprocess
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[3] / "elements/os-config-agents/agents/usr/local/lib/altostratus"

SYSTEMCTL = """
case "$*" in
    *is-enabled*) [ -e enabled ] ;;
    *is-active*) [ -e active ] ;;
    *is-failed*) [ -e failed ] ;;
    *NeedDaemonReload*) if [ -e reload ]; then echo yes; else echo no; fi ;;
    cat*) cat unit ;;
    *start*) [ ! -e broken ] && touch active ;;
esac
"""

MARIADB = """
case "$*" in
    *COUNT*) cat tables ;;
    *) cat > restored ;;
esac
"""


class Machine:
    """A directory with the library's state, its commands, and a way to run scripts."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.state = path / "state"
        self.cache = path / "cache"
        (path / "bin").mkdir()
        (path / "unit").write_text("[Service]\n")
        self.command("systemctl", SYSTEMCTL)
        self.command("journalctl", "echo why it failed")
        self.command("dpkg-query", 'echo "$4=$(cat version)"')
        self.write("version", "1")

    def write(self, name: str, text: str = "") -> Path:
        path = self.path / name
        path.write_text(text)
        return path

    def command(self, name: str, body: str) -> None:
        script = self.path / "bin" / name
        script.write_text(f'#!/bin/bash\necho "{name} $*" >> calls\n{body}\n')
        script.chmod(0o755)

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        (self.path / "calls").unlink(missing_ok=True)
        prelude = f"set -eu -o pipefail\n. {LIBRARY}/refresh.sh\n"
        return subprocess.run(
            ["bash", "-c", prelude + script],
            cwd=self.path,
            capture_output=True,
            text=True,
            env={
                "PATH": f"{self.path}/bin:/usr/bin:/bin",
                "REFRESH_LIB": str(LIBRARY),
                "REFRESH_STATE": str(self.state),
                "REFRESH_METADATA": str(self.path / "metadata.json"),
                "REFRESH_SCHEMA_CACHE": str(self.cache),
            },
        )

    def calls(self, name: str) -> list[str]:
        log = self.path / "calls"
        lines = log.read_text().splitlines() if log.exists() else []
        return [line for line in lines if line.startswith(name)]

    def jobs(self) -> list[str]:
        return [c for c in self.calls("systemctl") if "start" in c.split("-")[0] or " start" in c]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


class TestMetadata:
    @pytest.fixture(autouse=True)
    def _document(self, machine: Machine) -> None:
        document = {
            "nova": {"host": "10.0.0.1", "workers": 2, "ratio": 1.5, "debug": True, "none": None},
            "nova-lxc": {"compute_hostname": "über"},
            "memcached": {"servers": ["10.0.0.2", "10.0.0.3"]},
        }
        machine.write("metadata.json", json.dumps(document))

    @pytest.mark.parametrize(
        ("key", "printed"),
        [
            ("nova.host", "10.0.0.1"),
            ("nova.workers", "2"),
            ("nova.ratio", "1.5"),
            ("nova.debug", "true"),
            ("nova-lxc.compute_hostname", "über"),
            ("memcached.servers", '["10.0.0.2", "10.0.0.3"]'),
            ("memcached.servers.1", "10.0.0.3"),
        ],
    )
    def test_value(self, machine: Machine, key: str, printed: str) -> None:
        done = machine.run(f'value=$(metadata {key}); echo "$value"')
        assert (done.returncode, done.stdout) == (0, printed + "\n")

    def test_json(self, machine: Machine) -> None:
        assert machine.run("metadata_json nova.host").stdout == '"10.0.0.1"\n'
        assert machine.run("metadata_json memcached").stdout.startswith('{"servers": [')

    @pytest.mark.parametrize("key", ["nova.none", "nova.nothing", "nothing.at.all", "nova.host.x"])
    def test_absent(self, machine: Machine, key: str) -> None:
        done = machine.run(f"value=$(metadata {key}); echo reached")
        assert (done.returncode, done.stdout) == (1, "")
        assert key in done.stderr
        assert machine.run(f"metadata {key} otherwise").stdout == "otherwise\n"

    def test_without_document(self, machine: Machine) -> None:
        (machine.path / "metadata.json").unlink()
        done = machine.run("value=$(metadata nova.host); echo reached")
        assert (done.returncode, done.stdout) == (1, "")
        assert "cannot read the metadata" in done.stderr


class TestWaiting:
    def test_success_at_once_is_silent(self, machine: Machine) -> None:
        done = machine.run("wait_for it 5 true")
        assert (done.returncode, done.stderr) == (0, "")

    def test_retries_until_success(self, machine: Machine) -> None:
        # The second try finds what the first one left.
        done = machine.run("wait_for 'a file' 5 bash -c '[ -e made ] || { touch made; exit 1; }'")
        assert done.returncode == 0
        assert done.stderr == "waiting for a file, at most 5 s\n"

    def test_timeout_says_what_and_why(self, machine: Machine) -> None:
        done = machine.run("wait_for 'the lake' 0 bash -c 'echo dry; echo very dry >&2; exit 1'")
        assert done.returncode == 1
        assert done.stderr == "error: timed out after 0 s waiting for the lake (very dry)\n"

    def test_tcp(self, machine: Machine) -> None:
        done = machine.run("wait_tcp 127.0.0.1 1 0 'a service'")
        assert done.returncode == 1
        assert "error: timed out after 0 s waiting for a service (127.0.0.1 port 1)" in done.stderr
        assert "Connection refused" in done.stderr


class TestUnits:
    def test_first_time_enables_and_starts(self, machine: Machine) -> None:
        machine.write("conf", "a")
        assert machine.run("restart_if_changed x.service conf").returncode == 0
        assert machine.calls("systemctl --quiet --no-reload add-wants multi-user.target x.service")
        assert machine.jobs() == ["systemctl start x.service"]

    def test_nothing_changed_does_nothing(self, machine: Machine) -> None:
        machine.write("conf", "a")
        machine.run("restart_if_changed x.service conf absent")
        machine.write("enabled")
        done = machine.run("restart_if_changed x.service conf absent")
        assert (machine.jobs(), done.stderr) == ([], "")
        assert not machine.calls("systemctl --quiet --no-reload")

    @pytest.mark.parametrize(("name", "text"), [("conf", "b"), ("absent", ""), ("unit", "[Unit]")])
    def test_a_change_restarts(self, machine: Machine, name: str, text: str) -> None:
        machine.write("conf", "a")
        machine.run("restart_if_changed x.service conf absent")
        machine.write(name, text)
        machine.run("restart_if_changed x.service conf absent")
        assert machine.jobs() == ["systemctl restart x.service"]
        machine.run("restart_if_changed x.service conf absent")
        assert machine.jobs() == []

    def test_a_stopped_unit_is_started(self, machine: Machine) -> None:
        machine.run("restart_if_changed x.service")
        (machine.path / "active").unlink()
        machine.write("failed")
        machine.run("restart_if_changed x.service")
        assert machine.calls("systemctl reset-failed")
        assert machine.jobs() == ["systemctl start x.service"]

    def test_no_wait_queues(self, machine: Machine) -> None:
        machine.run("restart_if_changed --no-wait x.service")
        assert machine.jobs() == ["systemctl --no-block start x.service"]

    def test_new_unit_files_are_loaded(self, machine: Machine) -> None:
        machine.write("reload")
        machine.run("restart_if_changed x.service")
        assert machine.calls("systemctl daemon-reload")

    def test_a_failed_start_shows_the_journal_and_is_tried_again(self, machine: Machine) -> None:
        machine.write("broken")
        done = machine.run("restart_if_changed x.service; echo reached")
        assert (done.returncode, done.stdout) == (1, "")
        assert "why it failed\nerror: cannot start x.service" in done.stderr
        (machine.path / "broken").unlink()
        machine.run("restart_if_changed x.service")
        assert machine.jobs() == ["systemctl start x.service"]


class TestSchemas:
    SYNC = "db_sync glance 'glance-common' glance bash -c 'echo sync >> synced; exit ${1:-0}'"

    def local(self, machine: Machine, tables: str = "0\n") -> None:
        machine.write("tables", tables)
        machine.command("mariadb", MARIADB)
        machine.command("mariadb-dump", "echo 'CREATE TABLE t;'")

    def synced(self, machine: Machine) -> int:
        log = machine.path / "synced"
        return len(log.read_text().splitlines()) if log.exists() else 0

    def test_runs_once_for_a_set_of_versions(self, machine: Machine) -> None:
        machine.run(self.SYNC)
        machine.run(self.SYNC)
        assert self.synced(machine) == 1
        machine.write("version", "2")
        machine.run(self.SYNC)
        assert self.synced(machine) == 2

    def test_failure_is_not_forgotten(self, machine: Machine) -> None:
        assert machine.run(self.SYNC + " x 7").returncode == 7
        assert machine.run(self.SYNC).returncode == 0
        assert self.synced(machine) == 2

    def test_dump_is_left_and_restored(self, machine: Machine) -> None:
        self.local(machine)
        machine.cache.mkdir()
        assert machine.run(self.SYNC).returncode == 0
        dumps = list(machine.cache.iterdir())
        assert len(dumps) == 1
        assert dumps[0].name.startswith("glance-")
        assert dumps[0].stat().st_mode & 0o777 == 0o600
        assert "--databases glance" in machine.calls("mariadb-dump")[0]

        # Another machine with the same packages.
        (machine.state / "db-sync/glance").unlink()
        done = machine.run(self.SYNC)
        assert (done.returncode, self.synced(machine)) == (0, 1)
        assert (machine.path / "restored").read_text() == "CREATE TABLE t;\n"

        machine.write("version", "2")
        machine.run(self.SYNC)
        assert self.synced(machine) == 2

    def test_lost_data_are_made_again(self, machine: Machine) -> None:
        machine.run(self.SYNC)
        self.local(machine)
        machine.run(self.SYNC)
        assert self.synced(machine) == 2

    def test_databases_in_use_are_migrated_never_restored(self, machine: Machine) -> None:
        self.local(machine)
        machine.cache.mkdir()
        machine.run(self.SYNC)
        (machine.state / "db-sync/glance").unlink()
        self.local(machine, tables="40\n")
        machine.run(self.SYNC)
        assert self.synced(machine) == 2
        assert not (machine.path / "restored").exists()

    def test_failed_dump_leaves_nothing(self, machine: Machine) -> None:
        self.local(machine)
        machine.cache.mkdir()
        machine.command("mariadb-dump", "echo half; exit 2")
        done = machine.run(self.SYNC)
        assert done.returncode == 0
        assert "could not be cached" in done.stderr
        assert not list(machine.cache.iterdir())
