# SPDX-License-Identifier: Apache-2.0
"""The one translation of the client libraries' exceptions into AltostratusError.

The libraries have no common base class, and some have none of their own: novaclient's exceptions
derive from Exception, glanceclient's HTTP errors not from glanceclient.exc.BaseException. So an
exception is recognised by the package that defines its class.

Most libraries understand one form of error body only. They drop the reason that any other body
gives, or fail on it themselves, with an AttributeError. ``watch`` therefore remembers the last
response of a session, and the reason is read from there.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from altostratus.errors import AltostratusError, InputError

LIBRARIES = frozenset(
    {
        *("keystoneauth1", "openstack", "novaclient", "glanceclient", "heatclient"),
        *("requests", "urllib3"),
    }
)
"""The packages whose exceptions are translated."""

# Characters of a reason: a proxy may answer with a whole page.
_LONGEST = 1000
_UNREACHABLE = ("ConnectionError", "Timeout", "CommunicationError", "InvalidEndpoint")
_NOT_DISCOVERED = ("DiscoveryFailure", "ServiceDiscoveryException")
_NOT_IN_CATALOG = ("CatalogException", "EndpointNotFound", "ServiceDisabledException")
_HINTS = {
    403: "the roles of this user do not allow it; most calls need an administrator",
    **dict.fromkeys((502, 503, 504), "is the service running?"),
}
# Where OpenStack's services put the reason, from the particular to the general.
_REASONS = ("message", "faultstring")
_NESTED = ("error", "error_message", "errors")
_GENERAL = ("detail", "explanation", "title")

_last_refusal: ContextVar[Any] = ContextVar("last_refusal", default=None)
# A redirection that names no location, which keystoneauth takes for success. Not 300, with which
# services answer when asked for their versions.
_lost: ContextVar[Any] = ContextVar("lost", default=None)
_REDIRECTIONS = range(301, 400)


class ServiceError(AltostratusError):
    """A service refused a request, failed or did not answer.

    ``status`` is the HTTP status, None if there was no answer.
    """

    def __init__(self, message: str, hint: str | None = None, status: int | None = None) -> None:
        """Keep ``message`` and ``hint`` as AltostratusError does, and ``status``."""
        super().__init__(message, hint)
        self.status = status


@contextlib.contextmanager
def translated(service: str) -> Iterator[None]:
    """Translate what the client libraries raise in the body; ``service`` is who is asked.

    Raises InputError for missing or wrong credentials, else ServiceError. Other exceptions pass.
    """
    _last_refusal.set(None)
    _lost.set(None)
    try:
        yield
    except Exception as error:
        ours = translate(error, service)
        if ours is None:
            raise
        raise ours from error
    if (lost := _lost.get()) is not None:
        raise _refused(service, int(lost.status_code), _reason(lost))


def watch(session: Any) -> None:
    """Remember the last response of a keystoneauth session, for the reason that it gives."""
    hooks = session.session.hooks["response"]
    if _remember not in hooks:
        hooks.append(_remember)


def _remember(response: Any, *_: Any, **__: Any) -> None:
    _last_refusal.set(response if _is_refusal(response) else None)
    if response.status_code in _REDIRECTIONS and "location" not in response.headers:
        _lost.set(response)


def translate(error: Exception, service: str) -> AltostratusError | None:
    """Return our exception for ``error`` of a client library, None for any other exception."""
    defined = _package(type(error).__module__) in LIBRARIES
    if not defined and (_is_systems(error) or not _raised_in_library(error)):
        return None
    if _is_a(error, "AuthPluginException"):
        return InputError(
            f"no credentials for OpenStack: {text(error)}",
            "set OS_CLOUD to a cloud of your clouds.yaml, or source an openrc file",
        )
    # openstacksdk takes a service that is not in the catalog for one that the user disabled.
    if _is_a(error, "ConfigException") and not _is_a(error, *_NOT_IN_CATALOG):
        return InputError(text(error), "see OS_CLOUD and clouds.yaml")
    if _is_a(error, *_UNREACHABLE):
        through_proxy = any(_is_a(each, "ProxyError") for each in _chain(error))
        return _unreachable(service, _no_connection(error), through_proxy)
    response, status = _response(error), _status(error)
    if response is not None:
        return _refused(service, int(response.status_code), _reason(response))
    if status is not None:
        return _refused(service, status, text(error))
    if _is_a(error, *_NOT_DISCOVERED):
        return _unreachable(service, text(error))
    if _is_a(error, *_NOT_IN_CATALOG):
        return ServiceError(
            f"the cloud does not have {service}: {text(error)}",
            "is it in the service catalog, and in this region? openstack catalog list",
        )
    return ServiceError(f"{service}: {text(error)}") if defined else _unexpected(error, service)


def _unexpected(error: Exception, service: str) -> AltostratusError:
    """Return our exception for one that a client library did not mean to raise."""
    if isinstance(error, OSError):
        # requests' way to say that there is no such file with certificates.
        return InputError(text(error), "see cacert, cert, key and verify of clouds.yaml")
    return ServiceError(
        f"{service} gives an answer that its client cannot read: "
        f"{type(error).__name__}: {text(error)}",
        "--debug shows where; is there a proxy in between?",
    )


def _refused(service: str, status: int, reason: str) -> ServiceError:
    shown = reason if f"HTTP {status}" in reason else f"{reason} (HTTP {status})"
    if status == 401:
        hint = "see OS_CLOUD, clouds.yaml or OS_PASSWORD"
        return ServiceError(f"OpenStack refuses the credentials: {shown}", hint, status)
    return ServiceError(f"{service} answers: {shown}", _HINTS.get(status), status)


def _unreachable(service: str, reason: str, proxy: bool = False) -> ServiceError:
    hint = "is the cloud running?"
    if proxy:
        hint = "a proxy is between (http_proxy, https_proxy): add the cloud's host to no_proxy"
    return ServiceError(f"{service} is unreachable: {reason}", hint)


def _no_connection(error: Exception) -> str:
    """Return which connection failed and why, from ``error`` and those that led to it."""
    chain = _chain(error)
    session = [each for each in chain if _package(type(each).__module__) == "keystoneauth1"]
    # What follows "HTTP" repeats it, with addresses of Python objects.
    what = text(session[0] if session else error).partition(": HTTP")[0]
    reasons = [each.strerror for each in chain if isinstance(each, OSError) and each.strerror]
    return f"{what}: {reasons[-1]}" if reasons else what


def _chain(error: BaseException) -> list[BaseException]:
    """Return ``error`` and those that led to it."""
    chain = [error]
    while cause := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(cause)
    return chain


def _package(module: str) -> str:
    return module.partition(".")[0]


def _is_systems(error: Exception) -> bool:
    """Whether the kernel reports ``error``: a file of ours, a full disk."""
    return isinstance(error, OSError) and error.errno is not None


def _raised_in_library(error: BaseException) -> bool:
    """Whether ``error`` comes out of a client library, from whatever that has called.

    Our own code that a library calls back, such as a stream, is not meant.
    """
    trace, packages = error.__traceback__, []
    while trace:
        packages.append(_package(trace.tb_frame.f_globals.get("__name__", "")))
        trace = trace.tb_next
    return packages[-1:] != ["altostratus"] and not LIBRARIES.isdisjoint(packages)


def _is_a(error: BaseException, *names: str) -> bool:
    """Whether the class of ``error``, or one that it derives from, is a library's of that name."""
    return any(
        one.__name__ in names and _package(one.__module__) in LIBRARIES
        for one in type(error).__mro__
    )


def _response(error: Exception) -> Any | None:
    """Return the response that ``error`` is about, if there is one and it is known.

    An error without a status follows from the last response where that was a refusal: a library
    that looks for a service's version, for example, says only that it did not find any.
    """
    own, last = getattr(error, "response", None), _last_refusal.get()
    if _is_refusal(own):
        return own
    return last if last is not None and _status(error) in (None, last.status_code) else None


def _is_refusal(response: Any) -> bool:
    status = getattr(response, "status_code", None)
    return isinstance(status, int) and status >= 300


def _status(error: Exception) -> int | None:
    for name in ("code", "http_status", "status_code"):
        value = getattr(error, name, None)
        if isinstance(value, int) and value:
            return value
    return None


def text(error: BaseException) -> str:
    """Return what ``error`` says, in one line; heatclient's may fail to say anything."""
    try:
        said = str(error)
    except Exception:
        said = str(getattr(error, "message", ""))
    for prefix in ("ERROR: ", "HTTP "):
        said = said.removeprefix(prefix)
    return _short(said) or type(error).__name__


def _reason(response: Any) -> str:
    """Return the reason that an HTTP response gives, whatever the form of its body."""
    try:
        body = str(response.text)
    except Exception:
        # The connection broke while the body was read.
        body = ""
    try:
        found = _find(json.loads(body))
    except (ValueError, RecursionError):
        found = _plain(body)
    return _short(found) or _short(str(response.reason or "")) or "no reason given"


def _find(body: Any) -> str:
    """Return the reason in the decoded JSON of an error, empty if there is none."""
    if isinstance(body, str):
        # Ironic writes JSON into a string of JSON.
        with contextlib.suppress(ValueError):
            return _find(json.loads(body)) or body
        return body
    if isinstance(body, list):
        return next(filter(None, map(_find, body)), "")
    if not isinstance(body, dict):
        return ""
    for key in _REASONS:
        if isinstance(body.get(key), str) and body[key]:
            return str(body[key])
    nested = [body[key] for key in _NESTED if key in body]
    # Nova and Neutron name the object after the error: {"forbidden": {"message": ...}}.
    nested += [value for value in body.values() if isinstance(value, dict)]
    general = [body[key] for key in _GENERAL if isinstance(body.get(key), str)]
    return _find(nested) or _find(general)


def _plain(text: str) -> str:
    without_head = re.sub(r"(?is)<(head|script|style)\b.*?</\1>", " ", text)
    return re.sub(r"<[^>]+>", " ", without_head)


def _short(text: str) -> str:
    # Escapes of terminals may be in it, from a name that the user gave or from a server.
    shown = (word if word.isprintable() else ascii(word)[1:-1] for word in text.split())
    words = " ".join(shown)
    return words if len(words) <= _LONGEST else f"{words[:_LONGEST]} …"
