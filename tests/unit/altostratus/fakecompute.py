# SPDX-License-Identifier: Apache-2.0
"""A Nova of one process for tests: the calls of altostratus.clients.nova, over HTTP, in memory."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import loopback
from loopback import Answer, Request

PREFIX = "/v2.1"
PUBLIC = "os-flavor-access:is_public"


class FakeCompute:
    """What the server holds, and which changes it was asked for."""

    def __init__(self) -> None:
        self.servers: list[dict[str, Any]] = []
        self.flavors: list[dict[str, Any]] = []
        self.made = 0
        """How many flavors were made that have an id of the server's: f1 and so on."""
        self.services: list[dict[str, Any]] = []
        self.hypervisors: list[dict[str, Any]] = []
        self.access: dict[str, list[str]] = {}
        """The projects that may use a private flavor, by its id."""
        self.keys: dict[str, str] = {}
        self.quotas: dict[str, Any] = {}
        self.calls: list[str] = []
        self.versions: dict[str, str | None] = {}
        """The microversion of the last request for each kind of thing."""
        self.page = 2
        """How many things are in one answer."""
        self.refusal: Answer | None = None
        """What to answer instead."""
        self.refuse: Callable[[str], Answer | None] = lambda call: None
        """What to answer to a change instead, if anything."""
        self.stops_to = "SHUTOFF"
        """The status of a server after it was stopped."""
        self.url = ""

    def region(self) -> Any:
        return loopback.region(self.url)

    def answer(self, request: Request) -> Answer:
        kind, *rest = request.path.removeprefix(f"{PREFIX}/").split("/")
        self.versions[kind] = request.headers.get("X-OpenStack-Nova-API-Version")
        if self.refusal:
            return self.refusal
        if request.method != "GET":
            self.calls.append(self._call(request, kind, rest))
            if refused := self.refuse(self.calls[-1]):
                return refused
        handle = getattr(self, f"_{kind.removeprefix('os-').replace('-', '_')}")
        found: Answer = handle(request, rest)
        return found

    def _call(self, request: Request, kind: str, rest: list[str]) -> str:
        words = [request.method, kind, *rest]
        if request.method == "POST" and rest[1:] == ["action"]:
            words.append(next(iter(request.body)))
        return " ".join(words)

    def _paged(self, request: Request, key: str, things: list[dict[str, Any]]) -> Answer:
        ids = [each["id"] for each in things]
        start = ids.index(request.query["marker"]) + 1 if "marker" in request.query else 0
        return Answer(body={key: things[start : start + self.page]})

    def _servers(self, request: Request, rest: list[str]) -> Answer:
        if rest == ["detail"]:
            # Without it Nova shows those of the caller's project.
            assert request.query["all_tenants"] == "1"
            return self._paged(request, "servers", self.servers)
        found = next((each for each in self.servers if each["id"] == rest[0]), None)
        if found is None:
            return not_found(f"Instance {rest[0]} could not be found.")
        if request.method == "GET":
            return Answer(body={"server": found})
        if request.method == "DELETE":
            self.servers.remove(found)
            return Answer(204)
        if "os-getConsoleOutput" in request.body:
            length = request.body["os-getConsoleOutput"]["length"]
            return Answer(body={"output": f"the last {length} lines\n"})
        found["status"] = self.stops_to
        return Answer(202)

    def _flavors(self, request: Request, rest: list[str]) -> Answer:
        if rest == ["detail"]:
            # "None" is for the private ones, too.
            private = request.query.get("is_public") == "None"
            shown = [one for one in self.flavors if private or one[PUBLIC]]
            return self._paged(request, "flavors", shown)
        if not rest:
            return self._create_flavor(request.body["flavor"])
        found = next((each for each in self.flavors if each["id"] == rest[0]), None)
        if found is None:
            return not_found(f"Flavor {rest[0]} could not be found.")
        if rest[1:2] == ["os-extra_specs"]:
            return self._extra_specs(request, found, rest[2:])
        if rest[1:]:
            return self._flavor_access(request, found)
        assert request.method == "DELETE"
        self.flavors.remove(found)
        return Answer(202)

    def _create_flavor(self, wanted: dict[str, Any]) -> Answer:
        made = {"extra_specs": {}, **wanted}
        if made["id"] is None:
            self.made += 1
            made["id"] = f"f{self.made}"
        for key, word in (("name", "name"), ("id", "ID")):
            if any(one[key] == made[key] for one in self.flavors):
                return conflict(f"Flavor with {word} {made[key]} already exists.")
        self.flavors.append(made)
        return Answer(body={"flavor": made})

    def _extra_specs(self, request: Request, flavor: dict[str, Any], rest: list[str]) -> Answer:
        if request.method == "DELETE":
            if rest[0] not in flavor["extra_specs"]:
                return not_found(f"Flavor has no extra specs with key {rest[0]}.")
            del flavor["extra_specs"][rest[0]]
            return Answer(200)
        flavor["extra_specs"] = flavor["extra_specs"] | request.body["extra_specs"]
        return Answer(body=request.body)

    def _flavor_access(self, request: Request, flavor: dict[str, Any]) -> Answer:
        projects = self.access.setdefault(flavor["id"], [])
        if request.method == "POST":
            projects.append(request.body["addTenantAccess"]["tenant"])
        access = [{"flavor_id": flavor["id"], "tenant_id": one} for one in projects]
        return Answer(body={"flavor_access": access})

    def _services(self, request: Request, rest: list[str]) -> Answer:
        if not rest:
            binary = request.query["binary"]
            return Answer(body={"services": [e for e in self.services if e["binary"] == binary]})
        found = next((each for each in self.services if each["id"] == rest[0]), None)
        if found is None:
            return not_found(f"Service {rest[0]} could not be found.")
        if request.method == "DELETE":
            self.services.remove(found)
            return Answer(204)
        found |= request.body
        return Answer(body={"service": found})

    def _hypervisors(self, request: Request, rest: list[str]) -> Answer:
        return Answer(body={"hypervisors": self.hypervisors})

    def _keypairs(self, request: Request, rest: list[str]) -> Answer:
        if request.method == "POST":
            made = request.body["keypair"]
            self.keys[made["name"]] = made["public_key"]
            return Answer(body={"keypair": made})
        if rest[0] not in self.keys:
            return not_found(f"Keypair {rest[0]} not found for user")
        if request.method == "DELETE":
            del self.keys[rest[0]]
            return Answer(202)
        return Answer(body={"keypair": {"name": rest[0], "public_key": self.keys[rest[0]]}})

    def _quota_sets(self, request: Request, rest: list[str]) -> Answer:
        self.quotas = {"project": rest[0], **request.body["quota_set"]}
        return Answer(body=request.body)


def not_found(message: str) -> Answer:
    return Answer(404, {"itemNotFound": {"code": 404, "message": message}})


def conflict(message: str) -> Answer:
    return Answer(409, {"conflictingRequest": {"code": 409, "message": message}})


def server(name: str, cloud: str = "", **values: Any) -> dict[str, Any]:
    """Return a server as Nova describes it to an administrator."""
    return {
        "id": f"{cloud}-{name}",
        "name": name,
        "status": "ACTIVE",
        "metadata": {"cloud": cloud, "role": name.partition("-")[0]},
        "OS-EXT-SRV-ATTR:host": "undercloud-lxc",
        "addresses": {
            "ctlplane": [
                {"version": 6, "addr": "fe80::1"},
                {"version": 4, "addr": "192.168.24.101"},
            ]
        },
        **values,
    }


@contextlib.contextmanager
def serving() -> Iterator[FakeCompute]:
    fake = FakeCompute()
    with loopback.serving(fake.answer) as url:
        fake.url = f"{url}{PREFIX}"
        yield fake
