# SPDX-License-Identifier: Apache-2.0
"""A Glance of one process for tests: the calls of load-image, over HTTP, in memory."""

import contextlib
import hashlib
import json
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROPERTIES = ("id", "name", "status", "disk_format", "container_format", "checksum")
SCHEMA = {
    "name": "image",
    "properties": {
        **{name: {"type": ["null", "string"]} for name in PROPERTIES},
        "os_hash_algo": {"type": ["null", "string"]},
        "os_hash_value": {"type": ["null", "string"]},
        "size": {"type": ["null", "integer"]},
        "created_at": {"type": "string"},
    },
    "additionalProperties": {"type": "string"},
}


class FakeGlance:
    """What the server holds, and what it was asked."""

    def __init__(self) -> None:
        self.images: dict[str, dict[str, Any]] = {}
        self.data: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.status_of: dict[str, int] = {}
        """Method → HTTP status to answer with instead."""
        self.damage = False
        """Whether uploads arrive damaged."""
        self.url = ""
        self.now: Callable[[], str] | None = None
        """What tells the time of creation of images; else it is in the past."""
        self.during_upload: Callable[[str], None] = lambda image_id: None
        """Called while the data of an image arrive."""

    def add(self, **attributes: Any) -> str:
        image_id = f"{len(self.requests):04}-{len(self.images)}"
        self.images[image_id] = {
            "id": image_id,
            "status": "queued",
            "created_at": self.now() if self.now else f"2026-11-21T08:00:{len(self.images):02}Z",
            **attributes,
        }
        return image_id

    def put_data(self, image_id: str, data: bytes) -> None:
        self.data[image_id] = data
        self.images[image_id] |= {
            "status": "active",
            "size": len(data),
            "checksum": hashlib.md5(data).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(data).hexdigest(),
        }

    def methods(self) -> list[str]:
        """The methods of all requests that change something, in order."""
        return [line.split()[0] for line in self.requests if not line.startswith("GET")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    glance: FakeGlance

    def _dispatch(self) -> None:
        self.glance.requests.append(f"{self.command} {self.path}")
        body = self._body()
        if self.command in self.glance.status_of:
            self._answer(self.glance.status_of[self.command], b"as the test wishes")
            return
        url = urllib.parse.urlsplit(self.path)
        parts = url.path.strip("/").split("/")
        if parts[:2] == ["v2", "schemas"]:
            self._answer(200, SCHEMA)
        elif parts == ["v2", "images"] and self.command == "GET":
            wanted = urllib.parse.parse_qs(url.query)["name"][0]
            # As MySQL compares.
            images = [i for i in self.glance.images.values() if i["name"].lower() == wanted.lower()]
            self._answer(200, {"images": images})
        elif parts == ["v2", "images"]:
            image_id = self.glance.add(**json.loads(body))
            self._answer(201, self.glance.images[image_id])
        elif parts[3:] == ["file"] and self.command == "GET":
            self._answer(200, self.glance.data[parts[2]], "application/octet-stream")
        elif parts[2] in self.glance.images:
            self._image(parts[2], body)
        else:
            self._answer(404, b"no such image")

    def _image(self, image_id: str, body: bytes) -> None:
        if self.command == "PUT":
            self.glance.images[image_id]["status"] = "saving"
            self.glance.during_upload(image_id)
            self.glance.put_data(image_id, body + b"!" * self.glance.damage)
        elif self.command == "DELETE":
            del self.glance.images[image_id]
        elif self.command == "PATCH":
            for change in json.loads(body):
                name = change["path"].lstrip("/")
                if change["op"] == "remove":
                    del self.glance.images[image_id][name]
                else:
                    self.glance.images[image_id][name] = change["value"]
        if self.command in ("GET", "PATCH"):
            self._answer(200, self.glance.images[image_id])
        else:
            self._answer(204, b"")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data = b""
        while size := int(self.rfile.readline(), 16):
            data += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return data

    def _answer(self, status: int, content: Any, kind: str = "text/plain") -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        kind = kind if isinstance(content, bytes) else "application/json"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _dispatch

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[FakeGlance]:
    glance = FakeGlance()
    handler = type("Handler", (_Handler,), {"glance": glance})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    glance.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield glance
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
