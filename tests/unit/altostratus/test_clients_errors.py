# SPDX-License-Identifier: Apache-2.0
"""Every exception of every client library becomes ours, with the reason that the service gave."""

import contextlib
import errno
import importlib
import io
import json
import os
import pkgutil
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import heatclient.exc
import keystoneauth1.exceptions
import loopback
import openstack.exceptions
import pytest
from loopback import Answer, Request

from altostratus.clients import errors, glance, heat, nova, sdk
from altostratus.clients.errors import ServiceError, translate, translated
from altostratus.errors import AltostratusError, InputError

# Where the libraries define exceptions. What else they define is loaded with these and found, too.
MODULES = (
    *("keystoneauth1.exceptions", "keystoneauth1.session", "openstack.exceptions"),
    *("openstack.connection", "novaclient.exceptions", "novaclient.v2.client"),
    *("glanceclient.exc", "glanceclient.v2.client", "heatclient.exc", "heatclient.v1.client"),
    "requests.exceptions",
)
STATUSES = [300, 304, *range(400, 419), *range(421, 432), 451, *range(500, 512)]


def defined() -> list[type[Exception]]:
    """Return every exception class of the libraries."""
    for name in MODULES:
        importlib.import_module(name)
    for part in pkgutil.iter_modules(importlib.import_module("keystoneauth1.exceptions").__path__):
        importlib.import_module(f"keystoneauth1.exceptions.{part.name}")
    found, queue = [], [Exception]
    while queue:
        for one in type.__subclasses__(queue.pop()):
            queue.append(one)
            if one.__module__.partition(".")[0] in errors.LIBRARIES and one not in found:
                # Warnings are not raised.
                found += [] if issubclass(one, Warning) else [one]
    return sorted(found, key=lambda one: (one.__module__, one.__name__))


def made(kind: type[Exception]) -> Exception:
    """Return an exception of a class with whatever arguments; bare if it does not take any."""
    for arguments in (("a reason",), (418, "a reason"), ()):
        try:
            return kind(*arguments)
        except Exception:
            continue
    return kind.__new__(kind)


DEFINED = defined()


def test_all_libraries_are_there() -> None:
    packages = {one.__module__.partition(".")[0] for one in DEFINED}
    assert packages == errors.LIBRARIES
    assert len(DEFINED) > 150


@pytest.mark.parametrize("kind", DEFINED, ids=lambda one: f"{one.__module__}.{one.__name__}")
def test_every_exception_becomes_ours(kind: type[Exception]) -> None:
    with pytest.raises(AltostratusError) as caught, translated("Nova"):
        raise made(kind)
    assert caught.value.message.strip()
    assert caught.value.__cause__ is not None
    bare = kind.__new__(kind)
    assert isinstance(translate(bare, "Nova"), AltostratusError)


def test_other_exceptions_pass() -> None:
    for other in (KeyError("x"), OSError("x"), AltostratusError("x"), InputError("x")):
        with pytest.raises(type(other)) as caught, translated("Nova"):
            raise other
        assert caught.value is other


CALLS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "nova": ("Nova", lambda region: nova.Nova(region).servers()),
    "nova flavors": ("Nova", lambda region: nova.Nova(region).create_flavor(FLAVOR)),
    "glance": ("Glance", lambda region: glance.Glance(region).find("x")),
    "glance upload": (
        "Glance",
        lambda region: glance.Glance(region).send("x", io.BytesIO(b"data")),
    ),
    "glance data": ("Glance", lambda region: glance.Glance(region).data("x")),
    "glance delete": ("Glance", lambda region: glance.Glance(region).delete("x")),
    "heat": ("Heat", lambda region: heat.stacks(heat.client(region))),
    "heat events": ("Heat", lambda region: heat.events(heat.client(region), "s", 2)),
    "neutron": ("Neutron", lambda region: list(sdk.connect(region).network.networks())),
    "ironic": ("Ironic", lambda region: list(sdk.connect(region).baremetal.nodes())),
    "placement": (
        "Placement",
        lambda region: list(sdk.connect(region).placement.resource_providers()),
    ),
    "keystoneauth": (
        "Keystone",
        lambda region: region.get_session().get(f"{url_of(region)}/v3/users"),
    ),
}
FLAVOR = nova.Flavor("f", 1, 1, 1)
# Where services, their middleware and proxies put the reason.
REASON = "the reason of the server"
BODIES = {
    "nova": ("application/json", {"forbidden": {"code": 403, "message": REASON}}),
    "webob": ("application/json", {"message": REASON, "code": "403 Forbidden", "title": "No"}),
    "heat": ("application/json", {"explanation": "No", "code": 403, "error": {"message": REASON}}),
    "neutron": ("application/json", {"NeutronError": {"type": "No", "message": REASON}}),
    "keystone": ("application/json", {"error": {"code": 403, "message": REASON, "title": "No"}}),
    "ironic": ("application/json", {"error_message": json.dumps({"faultstring": REASON})}),
    "placement": ("application/json", {"errors": [{"status": 403, "detail": REASON}]}),
    "text in JSON": ("application/json", {"error": REASON}),
    "list": ("application/json", [REASON]),
    "JSON that is none": ("application/json", REASON.encode()),
    "glance": (
        "text/html; charset=UTF-8",
        f"<html><head><title>No</title></head><body>{REASON}<br/></body></html>".encode(),
    ),
    "text": ("text/plain", REASON.encode()),
    "no type": (None, REASON.encode()),
}


def refusing(status: int, form: str) -> Answer:
    kind, body = BODIES[form]
    return Answer(status, body, kind)


Current = tuple[Any, Callable[[Answer], None]]


@pytest.fixture(scope="module")
def answers() -> Iterator[Current]:
    """A region, and what sets the answer to every request to it."""
    current = [Answer()]

    def answer(request: Request) -> Answer:
        if request.path == "/":
            # openstacksdk looks for the versions of a service first.
            links = [{"rel": "self", "href": f"{url}/"}]
            known = [{"id": name, "status": "CURRENT", "links": links} for name in ("v1", "v2.0")]
            return Answer(body={"versions": known})
        return current[0]

    def set_answer(answer: Answer) -> None:
        current[0] = answer

    with loopback.serving(answer) as url:
        yield loopback.region(url), set_answer


def refusal(call: str, region: Any) -> ServiceError:
    service, ask = CALLS[call]
    with pytest.raises(ServiceError) as caught, translated(service):
        ask(region)
    return caught.value


# No errors to this library, and what openstacksdk asks again for a quarter of a minute.
SPECIAL = {
    "keystoneauth": {300, 304},
    "ironic": {409, 503},
}


@pytest.mark.parametrize(
    ("call", "status"),
    [(call, each) for call in CALLS for each in STATUSES if each not in SPECIAL.get(call, ())],
)
def test_every_status_shows_the_reason(call: str, status: int, answers: Current) -> None:
    region, set_answer = answers
    set_answer(refusing(status, "nova"))
    error = refusal(call, region)
    assert error.status == status
    start = f"{CALLS[call][0]} answers: "
    assert error.message.startswith("OpenStack refuses the cred" if status == 401 else start)
    # This one never has a body.
    assert (REASON if status != 304 else "Not Modified") in error.message


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("call", CALLS)
def test_the_reason_is_shown_whatever_its_form(call: str, body: str, answers: Current) -> None:
    region, set_answer = answers
    set_answer(refusing(403, body))
    service = CALLS[call][0]
    assert refusal(call, region).message == f"{service} answers: {REASON} (HTTP 403)"


@pytest.mark.parametrize("call", [call for call in CALLS if call != "ironic"])
def test_without_a_body_the_status_is_the_reason(call: str, answers: Current) -> None:
    region, set_answer = answers
    set_answer(Answer(503))
    service = CALLS[call][0]
    assert refusal(call, region).message == f"{service} answers: Service Unavailable (HTTP 503)"


@pytest.mark.parametrize("call", list(CALLS))
@pytest.mark.parametrize("body", [b"<html>log in</html>", b"{}", b"[]", b'"text"'])
def test_an_answer_that_cannot_be_read_is_no_internal_error(
    call: str, body: bytes, answers: Current
) -> None:
    """A login page of a proxy, say. Some calls do not look at what they get."""
    region, set_answer = answers
    set_answer(Answer(200, body))
    service, ask = CALLS[call]
    with contextlib.suppress(ServiceError), translated(service):
        ask(region)


ODD = {
    **{str(status): Answer(status, {"error": {"message": REASON}}) for status in (201, 202, 204)},
    **{str(status): Answer(status, b"{}") for status in (206, 301, 302, 303, 305, 307, 308)},
    **{str(status): Answer(status, {"message": REASON}) for status in (420, 499, 520, 600, 999)},
    **{
        f"Location {status}": Answer(status, headers={"Location": "//[::1"})
        for status in (301, 307)
    },
    **{f"body {body!r}": Answer(200, body) for body in (b"\xff\xfe", b"null", b"1")},
    **{f"list {key}": Answer(200, {key: 5}) for key in ("servers", "images", "stacks", "networks")},
    **{f"item {key}": Answer(200, {key: [5]}) for key in ("servers", "images", "nodes", "events")},
    "deep": Answer(500, b"[" * 100_000),
    "gzip": Answer(200, b"xx", headers={"Content-Encoding": "gzip"}),
    "refused in gzip": Answer(500, b"xx", headers={"Content-Encoding": "gzip"}),
    "charset": Answer(500, b"xx", "application/json; charset=nonsense"),
    "latin-1": Answer(500, "\xe9".encode("latin-1"), "text/html; charset=utf-8"),
    "chunks": Answer(200, b"{}", headers={"Transfer-Encoding": "chunked"}),
}


@pytest.mark.parametrize("odd", ODD)
def test_no_answer_is_an_internal_error(odd: str, answers: Current) -> None:
    region, set_answer = answers
    set_answer(ODD[odd])
    for service, ask in CALLS.values():
        with contextlib.suppress(ServiceError), translated(service):
            ask(region)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 99999 X\r\n\r\n"),
        *(
            f"HTTP/1.1 200 OK\r\n{head}\r\n\r\nzz".encode()
            for head in ("Content-Length: 100", "Content-Length: x", "Transfer-Encoding: chunked")
        ),
        b"HTTP/1.1 500 \x1b[31mred\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_is_no_http_is_no_internal_error(raw: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=50) as server:
        thread = threading.Thread(target=_answer_raw, args=(server, raw))
        thread.start()
        try:
            region = loopback.region(f"http://127.0.0.1:{server.getsockname()[1]}")
            for call in ("nova", "glance", "heat", "neutron", "keystoneauth"):
                service, ask = CALLS[call]
                try:
                    with translated(service):
                        ask(region)
                except ServiceError as error:
                    assert error.message.isprintable()
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def _answer_raw(server: socket.socket, raw: bytes) -> None:
    """Answer whatever is asked with ``raw`` until ``server`` is shut down."""
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("call", CALLS)
def test_no_answer(call: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        region = loopback.region(f"http://127.0.0.1:{bound.getsockname()[1]}")
        error = refusal(call, region)
    assert error.status is None
    assert error.message.startswith(f"{CALLS[call][0]} is unreachable: Unable to ")
    # keystoneauth says no more where it looks for the versions of a service.
    if "version discovery" not in error.message:
        assert error.message.endswith(os.strerror(errno.ECONNREFUSED))
    assert error.hint == "is the cloud running?"


def test_a_failure_is_not_blamed_on_an_earlier_refusal(answers: Current) -> None:
    region, set_answer = answers
    set_answer(refusing(404, "nova"))
    session = region.get_session()
    with pytest.raises(ServiceError, match="^Nova: other"), translated("Nova"):
        session.get("/", endpoint_override=f"{url_of(region)}/x", raise_exc=False)
        session.get(f"{url_of(region)}/")
        raise openstack.exceptions.SDKException("other")
    assert "reason" not in str(translate(heatclient.exc.HTTPConflict("other"), "Heat"))


def url_of(region: Any) -> str:
    return str(region.config["auth"]["endpoint"])


def test_missing_in_the_catalog() -> None:
    error = keystoneauth1.exceptions.EndpointNotFound("no endpoint for compute")
    found = translate(error, "Nova")
    assert found is not None
    assert found.message == "the cloud does not have Nova: no endpoint for compute"
    assert "openstack catalog list" in str(found.hint)


def test_wrong_settings_are_bad_input() -> None:
    for error in (
        keystoneauth1.exceptions.MissingRequiredOptions([]),
        keystoneauth1.exceptions.NoMatchingPlugin("v9password"),
        openstack.exceptions.ConfigException("Cloud x was not found."),
    ):
        assert isinstance(translate(error, "Nova"), InputError)


def test_what_a_terminal_would_obey_is_escaped(answers: Current) -> None:
    region, set_answer = answers
    set_answer(Answer(500, b"a \x1b[31mred\x07 word \xc2\x9b", "text/plain; charset=utf-8"))
    said = refusal("nova", region).message
    assert said == "Nova answers: a \\x1b[31mred\\x07 word \\x9b (HTTP 500)"


def test_what_a_library_calls_is_translated(answers: Current) -> None:
    region, _ = answers
    # The standard library raises it, for keystoneauth.
    with pytest.raises(ServiceError, match="Invalid IPv6 URL"), translated("Nova"):
        region.get_session().get("http://[::1/x")
    # requests has no class of its own for it.
    session = region.get_session()
    with pytest.raises(InputError, match="no.pem"), translated("Nova"):
        session.get("https://127.0.0.1:9/", verify="/no.pem")


def test_long_pages_are_cut(answers: Current) -> None:
    region, set_answer = answers
    set_answer(Answer(500, b"word " * 10_000, "text/plain"))
    assert len(refusal("nova", region).message) < 1200
