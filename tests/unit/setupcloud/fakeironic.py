# SPDX-License-Identifier: Apache-2.0
"""An Ironic of one process for tests: what register-nodes asks, over HTTP, in memory."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "altostratus"))

import loopback
from loopback import Answer, Request

REACHED = {"manage": "manageable", "provide": "available", "deleted": "available"}


class FakeIronic:
    """What the server holds, and which changes it was asked for."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.ports: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.refuse: dict[str, Answer] = {}
        """What to answer to a change instead."""
        self.url = ""

    def node(self, **values: Any) -> dict[str, Any]:
        """Add a node, available unless ``values`` say something else, and return it."""
        made = {
            **{"uuid": f"n{len(self.nodes)}", "name": None, "driver": "fake-hardware"},
            **{"provision_state": "available", "power_state": None, "instance_uuid": None},
            **{"maintenance": False, "fault": None, "retired": False, "allocation_uuid": None},
            **{"driver_info": {}, "properties": {"cpu_arch": "x86_64"}, "extra": {}},
            **{"resource_class": "baremetal", "network_interface": "noop", "last_error": None},
            **{f"{one}_interface": "fake" for one in ("boot", "deploy", "power", "management")},
            **values,
        }
        self.nodes.append(made)
        return made

    def answer(self, request: Request) -> Answer:
        path = request.path.strip("/").removeprefix("v1").strip("/").split("/")
        if request.path.strip("/") in ("", "v1"):
            links = [{"rel": "self", "href": f"{self.url}/v1/"}]
            version = {"id": "v1", "status": "CURRENT", "links": links, "version": "1.82"}
            version |= {"min_version": "1.1"}
            return Answer(body={"id": "v1", "versions": [version], "version": version})
        if request.method != "GET":
            self.calls.append(f"{request.method} {'/'.join(path)}")
            if self.calls[-1] in self.refuse:
                return self.refuse[self.calls[-1]]
        kind: str = path[0]
        found: Answer = getattr(self, f"_{kind}")(request, path[1:])
        return found

    def _ports(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "POST":
            self.ports.append({"uuid": f"p{len(self.ports)}", **request.body})
            return Answer(201, self.ports[-1])
        return Answer(body={"ports": self.ports})

    def _nodes(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "POST":
            return Answer(201, self.node(provision_state="enroll", **request.body))
        if rest in ([], ["detail"]):
            return Answer(body={"nodes": self.nodes})
        node = next(one for one in self.nodes if one["uuid"] == rest[0])
        if request.method == "DELETE":
            if rest[1:] == ["maintenance"]:
                node["maintenance"] = False
                return Answer(202)
            self.nodes.remove(node)
            return Answer(204)
        if request.method == "PUT":
            if rest[-1] == "provision":
                node["provision_state"] = REACHED[request.body["target"]]
            else:
                node["power_state"] = request.body["target"]
            return Answer(202)
        if request.method == "PATCH":
            for item in request.body:
                *parents, leaf = item["path"].strip("/").split("/")
                target = node[parents[0]] if parents else node
                target[leaf] = item["value"]
        return Answer(body=node)


@contextlib.contextmanager
def serving() -> Iterator[FakeIronic]:
    fake = FakeIronic()
    with loopback.serving(fake.answer) as url:
        fake.url = url
        yield fake
