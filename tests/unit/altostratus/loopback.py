# SPDX-License-Identifier: Apache-2.0
"""An HTTP server on the loopback interface for the real clients, and a region that leads there."""

import contextlib
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import openstack.config

from altostratus.clients import errors


@dataclass(frozen=True)
class Request:
    """A request: ``query`` has the last value of each parameter, ``body`` is decoded JSON."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Answer:
    """An answer: ``body`` is sent as it is if it is bytes, else as JSON."""

    status: int = 200
    body: Any = b""
    content_type: str | None = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


class _Handler(BaseHTTPRequestHandler):
    answer: Callable[[Request], Answer]

    def _dispatch(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = type(self).answer(
            Request(
                self.command,
                url.path,
                dict(urllib.parse.parse_qsl(url.query)),
                dict(self.headers),
                json.loads(raw) if raw else None,
            )
        )
        body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        if answer.content_type:
            self.send_header("Content-Type", answer.content_type)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _dispatch

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving(answer: Callable[[Request], Answer]) -> Iterator[str]:
    """Yield the URL of a server that answers with ``answer``."""
    handler = type("Handler", (_Handler,), {"answer": staticmethod(answer)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def region(url: str) -> Any:
    """Return a region without authentication, in which every service is at ``url``."""
    config = openstack.config.OpenStackConfig(load_yaml_config=False, load_envvars=False)
    found = config.get_one(auth_type="none", auth={"endpoint": url}, region_name="RegionOne")
    errors.watch(found.get_session())
    return found
