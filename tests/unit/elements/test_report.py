# SPDX-License-Identifier: Apache-2.0
"""The report of a refresh: refresh.json, and signals to a small HTTP server in Heat's place."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

REPORT = (
    Path(__file__).parents[3]
    / "elements/os-config-agents/agents/usr/local/lib/altostratus/report.py"
)
RUNNING = "dib-run-parts Sat Nov 21 08:06:24 UTC 2026 Running /usr/libexec/os-refresh-config/"
LOG = f"""\
[2026/11/21 08:06:24 AM] [INFO] success
[2026-11-21 08:06:24,100] (os-refresh-config) [INFO] Starting phase post-configure
{RUNNING}post-configure.d/11-memcached
dib-run-parts Sat Nov 21 08:06:25 UTC 2026 11-memcached completed
{RUNNING}post-configure.d/12-mariadb
starting mariadb.service
cannot log in with s3cret-word
error: timed out after 60 s waiting for MariaDB

[2026-11-21 08:06:26,000] (os-refresh-config) [ERROR] during post-configure phase. [Command 'x']

[2026-11-21 08:06:26,001] (os-refresh-config) [INFO] Calling error handlers.
{RUNNING}error.d/10-report
"""
METADATA = {
    "instance": {"name": "database-0"},
    "mariadb": {
        "databases": [{"name": "glance", "user": "glance", "password": "s3cret-word"}],
        # What is no secret stays: "db" is one, "mariadb" is none.
        "unit": "mariadb.service",
    },
    "glance": {"db": "mysql+pymysql://glance:gl%40nce-pw@10.0.0.1/glance", "port-key": "9292"},
}


class Heat:
    """Takes signals, answers with ``status`` (one for each request, the last one stays)."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str, Any]] = []
        self.status = [200]
        heat = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                heat.received.append((self.command, self.path, json.loads(body)))
                self.send_response(heat.status[0])
                heat.status = heat.status[1:] or heat.status
                self.end_headers()

            do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)

    def deployment(self, ident: str, **changes: Any) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.server.server_port}/v1/signal/{ident}?Signature=hush"
        inputs = [
            {"name": "deploy_signal_id", "value": url},
            {"name": "deploy_signal_verb", "value": "POST"},
        ]
        shape = {"id": ident, "name": "Deployment", "group": "os-apply-config", "inputs": inputs}
        return {**shape, **changes}


@pytest.fixture
def heat() -> Iterator[Heat]:
    server = Heat()
    server.thread.start()
    yield server
    server.server.shutdown()
    server.thread.join()
    server.server.server_close()


class Instance:
    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "metadata.json").write_text(json.dumps(METADATA))
        (path / "refresh.log").write_text(LOG)
        self.collect([])

    def collect(self, deployments: list[dict[str, Any]]) -> None:
        (self.path / "cfn.json").write_text(json.dumps({"deployments": deployments}))

    def report(self, *argv: str) -> subprocess.CompletedProcess[str]:
        environment = {
            **os.environ,
            "REFRESH_STATE": str(self.path),
            "REFRESH_METADATA": str(self.path / "metadata.json"),
            "OS_CONFIG_FILES": f"{self.path}/cfn.json:{self.path}/absent.json",
        }
        return subprocess.run(
            [sys.executable, REPORT, *argv], env=environment, capture_output=True, text=True
        )

    @property
    def refresh(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.path / "refresh.json").read_text())
        return document


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return Instance(tmp_path)


def test_states(instance: Instance) -> None:
    for state in ("starting", "waiting", "applying"):
        assert instance.report("state", state).returncode == 0
        assert instance.refresh["state"] == state
    assert (instance.path / "refresh.json").stat().st_mode & 0o777 == 0o644


def test_completed_signals_each_deployment_once(instance: Instance, heat: Heat) -> None:
    heat_first = heat.deployment("one")
    instance.collect([heat_first])
    assert instance.report("completed").returncode == 0
    assert instance.report("completed").returncode == 0
    success = {"deploy_stdout": "applied", "deploy_stderr": "", "deploy_status_code": 0}
    assert heat.received == [("POST", "/v1/signal/one?Signature=hush", success)]
    assert instance.refresh["state"] == "applied"
    assert instance.refresh["deployments"] == [{"id": "one", "name": "Deployment"}]

    # A stack update gives the deployment another id.
    instance.collect([heat.deployment("two")])
    instance.report("completed")
    assert [path for _, path, _ in heat.received][1:] == ["/v1/signal/two?Signature=hush"]


def test_only_our_deployments_with_a_signal(instance: Instance, heat: Heat) -> None:
    foreign = heat.deployment("foreign", group="script")
    silent = heat.deployment("silent", inputs=[])
    put = heat.deployment("put")
    put["inputs"][1]["value"] = "PUT"
    instance.collect([foreign, silent, put])
    assert instance.report("completed").returncode == 0
    assert [(verb, path) for verb, path, _ in heat.received] == [
        ("PUT", "/v1/signal/put?Signature=hush")
    ]


def test_failed_names_script_and_last_lines_without_secrets(instance: Instance, heat: Heat) -> None:
    instance.report("state", "applying")
    instance.collect([heat.deployment("one")])
    done = instance.report("failed")
    assert done.returncode == 0
    lines = [
        "starting mariadb.service",
        "cannot log in with ***",
        "error: timed out after 60 s waiting for MariaDB",
    ]
    assert instance.refresh["state"] == "failed"
    assert instance.refresh["script"] == "post-configure.d/12-mariadb"
    assert instance.refresh["log"] == lines
    text = "\n".join(["post-configure.d/12-mariadb failed", *lines])
    expected = {"deploy_stdout": "", "deploy_stderr": text, "deploy_status_code": 1}
    assert [payload for _, _, payload in heat.received] == [expected]


def test_passwords_in_urls_are_redacted(instance: Instance) -> None:
    instance.report("state", "applying")
    said = "gl@nce-pw and gl%40nce-pw and mysql+pymysql://glance:gl%40nce-pw@10.0.0.1/glance 9292"
    log = instance.path / "refresh.log"
    log.write_text(LOG.replace("cannot log in with s3cret-word", said))
    instance.report("failed")
    assert instance.refresh["log"][1] == "*** and *** and *** 9292"


def test_failure_is_reported_once_for_a_refresh_and_a_deployment(
    instance: Instance, heat: Heat
) -> None:
    instance.collect([heat.deployment("one")])
    for _ in range(2):
        instance.report("state", "applying")
        # error.d first, then apply-metadata.
        instance.report("failed")
        instance.report("failed")
    assert len(heat.received) == 1
    # Repaired: Heat is not told, for it no longer listens; refresh.json is.
    instance.report("state", "applying")
    assert instance.report("completed").returncode == 0
    assert len(heat.received) == 1
    assert instance.refresh["state"] == "applied"


def test_failure_before_any_script(instance: Instance) -> None:
    instance.report("state", "applying")
    (instance.path / "refresh.log").write_text("[ERROR] config script failed: /templates/x\n")
    instance.report("failed")
    assert instance.refresh["script"] == "os-apply-config"
    assert instance.refresh["log"] == ["[ERROR] config script failed: /templates/x"]


def test_a_run_by_hand_has_no_log(instance: Instance) -> None:
    instance.report("completed")
    instance.report("failed")
    assert instance.refresh["state"] == "failed"
    assert (instance.refresh["script"], instance.refresh["log"]) == (
        "os-refresh-config run by hand",
        [],
    )


def test_signal_is_sent_again_until_it_arrives(instance: Instance, heat: Heat) -> None:
    heat.status = [503, 200]
    instance.collect([heat.deployment("one")])
    done = instance.report("completed")
    assert done.returncode == 0
    assert len(heat.received) == 2
    assert "Signature" not in done.stderr


def test_success_that_did_not_arrive_stays_a_success(
    instance: Instance, heat: Heat, monkeypatch: pytest.MonkeyPatch
) -> None:
    sys.path.insert(0, str(REPORT.parent))
    import report

    monkeypatch.setattr(report, "STATE", instance.path)
    monkeypatch.setattr(report, "METADATA", instance.path / "metadata.json")
    monkeypatch.setattr(report.time, "sleep", lambda _: None)
    monkeypatch.setenv("OS_CONFIG_FILES", f"{instance.path}/cfn.json")
    instance.collect([heat.deployment("one")])
    report.main(["state", "applying"])
    heat.status = [500]
    assert report.main(["completed"]) == 1
    heat.status = [200]
    # os-refresh-config calls the error handlers, because 99-refresh-completed failed.
    report.main(["failed"])
    assert heat.received[-1][2]["deploy_status_code"] == 0
    assert instance.refresh["state"] == "failed"
