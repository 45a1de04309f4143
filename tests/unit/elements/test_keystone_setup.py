# SPDX-License-Identifier: Apache-2.0
"""keystone-setup.py against an identity API that keeps what it is told."""

import importlib.util
import io
import json
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from altostratus.datafiles import elements_path

SCRIPT = "keystone/static/usr/local/lib/altostratus/keystone-setup.py"
WISH: dict[str, Any] = {
    "admin-password": "adminpw",
    "region": "RegionOne",
    "services": [
        {
            "name": "glance",
            "type": "image",
            "public": "http://a:9292",
            "internal": "http://b:9292",
            "admin": "http://b:9292",
            "user": "glance",
            "password": "glancepw",
        },
        {
            "name": "keystone",
            "type": "identity",
            "public": "http://a:5000/v3",
            "internal": "http://b:5000/v3",
            "admin": "http://b:5000/v3",
        },
    ],
    "users": [{"name": "nova", "password": "novapw"}],
    "roles": ["heat_stack_owner", "heat_stack_user"],
    "domains": [{"name": "heat", "admin": "heat_domain_admin", "password": "heatpw"}],
}


class Keystone:
    """What bootstrap leaves behind, and every change since."""

    def __init__(self) -> None:
        self.things: dict[str, list[dict[str, Any]]] = {
            "users": [{"id": "u0", "name": "admin", "domain_id": "default"}],
            "projects": [{"id": "p0", "name": "admin", "domain_id": "default"}],
            "roles": [{"id": f"r{n}", "name": name} for n, name in enumerate(("admin", "member"))],
            "services": [],
            "endpoints": [],
            "domains": [],
        }
        self.grants: set[str] = set()
        self.changes: list[str] = []

    def answer(self, method: str, url: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        parts = urlsplit(url)
        names = parts.path.removeprefix("/v3/").split("/")
        if names == ["auth", "tokens"]:
            password = body["auth"]["identity"]["password"]["user"]["password"]
            return (201 if password == "adminpw" else 401), {}
        if method == "PUT":
            if parts.path not in self.grants:
                self.changes.append(f"PUT {parts.path}")
            self.grants.add(parts.path)
            return 204, {}
        kind = names[0]
        if method == "GET":
            query = dict(parse_qsl(parts.query))
            found = [
                thing
                for thing in self.things[kind]
                if all(thing.get(key) == value for key, value in query.items())
            ]
            return 200, {kind: [{k: v for k, v in one.items() if k != "password"} for one in found]}
        self.changes.append(f"{method} {parts.path}")
        fields = body[kind[:-1]]
        if method == "POST":
            thing = {"id": f"{kind}{len(self.things[kind])}", **fields}
            self.things[kind].append(thing)
            return 201, {kind[:-1]: thing}
        next(one for one in self.things[kind] if one["id"] == names[1]).update(fields)
        return 200, {}

    def named(self, kind: str, name: str) -> dict[str, Any]:
        return next(one for one in self.things[kind] if one["name"] == name)


@pytest.fixture
def server() -> Iterator[tuple[Keystone, int]]:
    keystone = Keystone()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else {}
            status, answer = keystone.answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("X-Subject-Token", "token")
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode() if status != 204 else b"")

        do_POST = do_PUT = do_PATCH = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Be quiet."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, daemon=True)
    thread.start()
    yield keystone, http.server_address[1]
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("keystone_setup", elements_path() / SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "STAMP", tmp_path / "passwords")
    return module


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda value: monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(value)))


def test_everything_is_made_once(
    script: ModuleType, server: tuple[Keystone, int], stdin: Any
) -> None:
    keystone, port = server
    stdin(WISH)
    script.configure("127.0.0.1", port)
    assert {one["name"] for one in keystone.things["users"]} == {
        "admin",
        "glance",
        "nova",
        "heat_domain_admin",
    }
    assert keystone.named("users", "glance")["password"] == "glancepw"
    project = keystone.named("projects", "service")["id"]
    user = keystone.named("users", "nova")["id"]
    for role in ("admin", "service"):
        granted = keystone.named("roles", role)["id"]
        assert f"/v3/projects/{project}/users/{user}/roles/{granted}" in keystone.grants
    owner = keystone.named("roles", "heat_stack_owner")["id"]
    assert f"/v3/projects/p0/users/u0/roles/{owner}" in keystone.grants
    domain = keystone.named("domains", "heat")["id"]
    assert keystone.named("users", "heat_domain_admin")["domain_id"] == domain
    assert len(keystone.things["endpoints"]) == 6

    keystone.changes.clear()
    stdin(WISH)
    script.configure("127.0.0.1", port)
    assert keystone.changes == []


def test_what_changed_is_corrected_and_nothing_else(
    script: ModuleType, server: tuple[Keystone, int], stdin: Any
) -> None:
    keystone, port = server
    stdin(WISH)
    script.configure("127.0.0.1", port)
    keystone.changes.clear()
    changed = json.loads(json.dumps(WISH))
    changed["services"][0].update(password="another", public="http://c:9292")
    stdin(changed)
    script.configure("127.0.0.1", port)
    user = keystone.named("users", "glance")
    assert user["password"] == "another"
    endpoint = next(one for one in keystone.things["endpoints"] if one["url"] == "http://c:9292")
    assert sorted(keystone.changes) == [
        f"PATCH /v3/endpoints/{endpoint['id']}",
        f"PATCH /v3/users/{user['id']}",
    ]


def test_a_refusal_is_said_without_the_password(
    script: ModuleType, server: tuple[Keystone, int], stdin: Any
) -> None:
    stdin({**WISH, "admin-password": "wrong"})
    with pytest.raises(script.RefusedError, match=r"POST /auth/tokens: 401") as caught:
        script.configure("127.0.0.1", server[1])
    assert "wrong" not in str(caught.value)


def test_passwords_are_kept_as_digests_for_root(script: ModuleType) -> None:
    passwords = script.Passwords(script.STAMP)
    passwords.record("default/glance", "glancepw")
    assert script.STAMP.stat().st_mode & 0o777 == 0o600
    assert "glancepw" not in script.STAMP.read_text()
    again = script.Passwords(script.STAMP)
    assert again.is_set("default/glance", "glancepw")
    assert not again.is_set("default/nova", "glancepw")


def test_keys_of_the_repository_are_those_of_the_metadata(
    script: ModuleType, tmp_path: Path, stdin: Any
) -> None:
    repository = tmp_path / "fernet-keys"
    repository.mkdir()
    (repository / "7").write_text("old")
    stdin(["staged", "primary"])
    script.write_keys(str(repository), f"{os.getuid()}:{os.getgid()}")
    assert {path.name: path.read_text() for path in repository.iterdir()} == {
        "0": "staged",
        "1": "primary",
    }
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in repository.iterdir())
