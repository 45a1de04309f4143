# SPDX-License-Identifier: Apache-2.0
"""What can be wrong with clouds.yaml, secure.yaml and OS_* variables, said in words.

openstacksdk and keystoneauth check little of it: a value of another type, a line feed at the end of
a URL or a missing password comes out of them as an exception of Python, later on and elsewhere.
"""

import contextlib
import os
import re
import ssl
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from altostratus.clients import errors
from altostratus.errors import InputError

_UNUSABLE = "the configuration of OpenStack cannot be used"
_MANUAL = "https://docs.openstack.org/openstacksdk/latest/user/config/configuration.html"
# Keystone's plugins that take a user name and a password.
_PASSWORD = frozenset({"password", "v2password", "v3password"})
_SCOPES = (
    *("project_id", "project_name", "tenant_id", "tenant_name", "domain_id", "domain_name"),
    *("system_scope", "trust_id"),
)
_URLS = ("auth_url", "endpoint")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_UNEXPECTED = re.compile(r"__init__\(\) got an unexpected keyword argument '(\w+)'")
# What to do about settings that do not go with the kind of authentication.
_BELONGS = {
    "token": "unset OS_TOKEN, or use it: OS_AUTH_TYPE=token",
    "application": "set auth_type to v3applicationcredential",
}


def check_environment() -> None:
    """Raise InputError if an OS_* variable has characters that no name, URL or password has."""
    bad = [name for name, value in os.environ.items() if name.startswith("OS_") and _odd(value)]
    if bad:
        raise InputError(
            f"{', '.join(sorted(bad))}: control characters, or not UTF-8",
            "does the openrc file have line ends of Windows? unset the variable and set it again",
        )


@contextlib.contextmanager
def reading(cloud: str | None, files: list[str] | None) -> Iterator[None]:
    """Make InputError of everything that reading the configuration in the body raises.

    ``files`` are the candidates for clouds.yaml; None: where openstacksdk looks.
    """
    try:
        yield
    except Exception as error:
        ours = error if isinstance(error, InputError) else errors.translate(error, "OpenStack")
        about = _explain(cloud, files)
        if isinstance(ours, InputError):
            raise InputError(ours.message, about or ours.hint) from error
        hint = f"see {_MANUAL}; --debug shows more"
        raise InputError(f"{_UNUSABLE}: {about or _unusable(error)}", hint) from error


def _unusable(error: Exception) -> str:
    if (found := _UNEXPECTED.search(str(error))) and isinstance(error, TypeError):
        key = found[1]
        ways = (text for begin, text in _BELONGS.items() if key.startswith(begin))
        return f"'{key}' does not go with this auth_type: {next(ways, 'remove it')}"
    return f"{type(error).__name__}: {errors.text(error)}"


def check(region: Any) -> None:
    """Raise InputError with everything that is wrong in the credentials of ``region``.

    ``region`` is an openstack.config CloudRegion. Nothing is asked of a server.
    """
    auth = region.config.get("auth")
    if not isinstance(auth, Mapping) or not any(auth.get(key) for key in _URLS):
        return  # openstacksdk says so
    found = [*_texts(region, auth), *_urls(auth)]
    if region.config.get("auth_type", "password") in _PASSWORD:
        found += _missing(auth)
    if str(auth.get("auth_url", "")).startswith("https:"):
        found += _files(region)
    if found:
        raise InputError(
            "the credentials for OpenStack cannot be used: " + "; ".join(found),
            f"see {_source(region)}",
        )


def _source(region: Any) -> str:
    named = region.name not in (None, "", "envvars", "defaults")
    return f"the cloud {region.name} in clouds.yaml" if named else "the OS_* variables"


def _texts(region: Any, auth: Mapping[str, Any]) -> Iterator[str]:
    for key, value in {**auth, "region_name": region.config.get("region_name")}.items():
        if isinstance(value, str):
            if _odd(value):
                yield f"{key} has a control character"
            elif "token" in key and not value.isascii():
                yield f"{key} has a character that is not ASCII"
        elif value is not None and not isinstance(value, bool):
            yield f"{key} is not a string: put it in quotes"


def _urls(auth: Mapping[str, Any]) -> Iterator[str]:
    for key in _URLS:
        value = auth.get(key)
        if isinstance(value, str) and value and not _odd(value) and not _is_url(value):
            # It may have a password in it.
            shown = re.sub(r"[^/\s]*@", "…@", value)
            yield f"{key} is '{shown}', which is no URL such as http://192.168.24.1:5000/v3"


def _is_url(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        # An ill-formed port raises.
        host, _ = parts.hostname or "", parts.port
        host.encode("idna")
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and not re.search(r"\s", text)


def _missing(auth: Mapping[str, Any]) -> Iterator[str]:
    if not auth.get("password"):
        yield "the password is missing (password, or OS_PASSWORD)"
    if not any(auth.get(key) for key in ("username", "user_id", "user_name")):
        yield "the user is missing (username, or OS_USERNAME)"
    if not any(auth.get(key) for key in _SCOPES):
        yield "the project is missing (project_name, or OS_PROJECT_NAME)"


def _files(region: Any) -> Iterator[str]:
    config = region.config
    verify = config.get("verify", True)
    if verify is not None and not isinstance(verify, bool):
        yield f"verify is '{verify}', not true or false"
    if not verify:
        return
    for key in ("cacert", "cert", "key"):
        if not config.get(key):
            continue
        path = Path(str(config[key]))
        if not path.exists() or not os.access(path, os.R_OK):
            yield f"{key}: {path}: no such file, or it cannot be read"
        elif key == "cacert" and path.is_file():
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
            except ssl.SSLError:
                yield f"cacert: {path}: no certificate in PEM format is in it"


def _odd(text: str) -> bool:
    return bool(_CONTROL.search(text))


def _explain(cloud: str | None, files: list[str] | None) -> str:
    """Return what is wrong with the files for ``cloud``; empty if they do not explain a failure."""
    if cloud is None and "OS_AUTH_URL" in os.environ:
        return ""
    from openstack.config import loader

    chosen = {}
    for what, variable, known in (
        ("clouds.yaml", "OS_CLIENT_CONFIG_FILE", loader.CONFIG_FILES),
        ("secure.yaml", "OS_CLIENT_SECURE_FILE", loader.SECURE_FILES),
    ):
        candidates = (
            files if files and what == "clouds.yaml" else [os.environ.get(variable), *known]
        )
        paths = [Path(path) for path in candidates if path]
        chosen[what] = next((path for path in paths if path.is_file()), None)
    if cloud and not chosen["clouds.yaml"]:
        return "there is no clouds.yaml; OS_CLIENT_CONFIG_FILE can name it"
    said = (_wrong(path, cloud, what) for what, path in chosen.items() if path)
    return next(filter(None, said), "")


def _wrong(path: Path, cloud: str | None, what: str) -> str:
    import yaml

    try:
        # From a stream: of a text the parser's messages would show a line, which may be a password.
        with path.open(encoding="utf-8") as stream:
            content = yaml.safe_load(stream)
    except (OSError, ValueError, yaml.YAMLError) as error:
        return f"{path} cannot be read: {errors.text(error)}"
    clouds = content.get("clouds") if isinstance(content, dict) else None
    if not isinstance(clouds, dict):
        return f"{path}: it needs 'clouds:' and below it a mapping for each cloud"
    if cloud is None:
        return ""
    if cloud not in clouds:
        names = ", ".join(sorted(map(str, clouds))) or "no cloud"
        return f"{path} has: {names}" if what == "clouds.yaml" else ""
    entry = clouds[cloud]
    if not isinstance(entry, dict):
        return f"{path}: the cloud {cloud} is not a mapping"
    auth = entry.get("auth", {})
    if not isinstance(auth, dict):
        return f"{path}: 'auth' of the cloud {cloud} is not a mapping"
    given = {key: auth[key] for key in _URLS if key in auth}
    given |= {key: entry[key] for key in ("auth_type", "profile") if key in entry}
    wrong = [key for key, value in given.items() if not isinstance(value, str)]
    return f"{path}: {', '.join(wrong)} of the cloud {cloud}: not a string" if wrong else ""
