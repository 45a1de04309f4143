# SPDX-License-Identifier: Apache-2.0
"""What the commands say when a service refuses: its reason, and never an internal error."""

import importlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import loopback
import pytest
from loopback import Answer, Request

STATUSES = [300, *range(400, 419), *range(421, 430), 431, 451, *range(500, 512)]
# What openstacksdk asks Ironic again for a quarter of a minute.
RETRIED = {"setupcloud.nodes": {409, 503}}
REASON = "Application credentials cannot request a scope"
NETWORK = {"name": "a", "type": "flat", "physical_network": "p", "cidr": "10.0.0.0/24"}
NODE = {"name": "a", "pm_type": "fake-hardware", "mac": ["52:54:00:aa:00:04"]}
COMMANDS: dict[str, tuple[list[str], Any]] = {
    "setupcloud.networks": (["-n"], {"networks": [NETWORK]}),
    "setupcloud.flavors": (["-f"], {"flavors": [{"name": "a", "ram": 1, "vcpus": 1, "disk": 1}]}),
    "setupcloud.nodes": (["-n"], {"nodes": [NODE]}),
    "imagebuild.load": (["--untagged"], None),
}


class Server:
    """Answers as ``refuse`` says; else with the versions of a service."""

    def __init__(self) -> None:
        self.refuse: Callable[[Request], Answer | None] = lambda request: None
        self.url = ""

    def answer(self, request: Request) -> Answer:
        if refused := self.refuse(request):
            return refused
        links = [{"rel": "self", "href": f"{self.url}/"}]
        known = [{"id": name, "status": "CURRENT", "links": links} for name in ("v1", "v2.0", "v3")]
        if request.path == "/v3":
            return Answer(body={"version": known[2] | {"links": [{"rel": "self", "href": "/v3"}]}})
        return Answer(body={"versions": known})


@pytest.fixture(scope="module")
def served() -> Iterator[Server]:
    server = Server()
    with loopback.serving(server.answer) as url:
        server.url = url
        yield server


@pytest.fixture
def server(served: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    for name in list(os.environ):
        if name.startswith("OS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return served


def run(command: str, folder: Path) -> int:
    options, content = COMMANDS[command]
    # An image of no known format.
    path = folder / ("file.json" if content else "file.raw")
    path.write_text(json.dumps(content) if content else "raw")
    main = importlib.import_module(command).main
    code: int = main([*options, str(path), "-q"])
    return code


def refusal(status: int) -> Answer:
    return Answer(status, {"error": {"code": status, "message": REASON, "title": "No"}})


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("command", COMMANDS)
def test_every_status_of_a_service(
    command: str,
    status: int,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if status in RETRIED.get(command, ()):
        status = 500
    monkeypatch.setenv("OS_AUTH_TYPE", "none")
    monkeypatch.setenv("OS_ENDPOINT", server.url)
    server.refuse = lambda request: refusal(status) if request.path != "/" else None
    assert run(command, tmp_path) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert REASON in said.err and f"HTTP {status}" in said.err
    assert "internal error" not in said.err and "Traceback" not in said.err


@pytest.mark.parametrize("status", STATUSES)
# One for each library that asks Keystone first; it is the same code.
@pytest.mark.parametrize("command", ["setupcloud.networks", "imagebuild.load"])
def test_every_status_of_keystone(
    command: str,
    status: int,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in {
        **{"AUTH_TYPE": "v3applicationcredential", "AUTH_URL": f"{server.url}/v3"},
        **{"APPLICATION_CREDENTIAL_ID": "a", "APPLICATION_CREDENTIAL_SECRET": "b"},
        **{"PROJECT_NAME": "x", "PROJECT_DOMAIN_NAME": "Default"},
    }.items():
        monkeypatch.setenv(f"OS_{name}", value)
    server.refuse = lambda request: refusal(status) if request.path.endswith("/tokens") else None
    assert run(command, tmp_path) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert REASON in said.err and f"HTTP {status}" in said.err
    assert "internal error" not in said.err and "Traceback" not in said.err
