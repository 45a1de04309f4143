#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Make Keystone's keys, users, roles and catalogue what the metadata says.

    keystone-setup.py keys DIRECTORY UID:GID    the key repository; stdin: JSON list of keys
    keystone-setup.py catalogue HOST PORT       users, roles, services, endpoints, domains; stdin:
        JSON map of admin-password, region, services, users, roles, domains

Only what differs is changed. What Keystone has beyond the metadata stays. Secrets are read from
stdin only. One process that speaks HTTP itself: the openstack client would take 100 times as long.
"""

import base64
import hashlib
import http.client
import json
import os
import sys
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPMessage
from pathlib import Path
from typing import Any

# The roles of Keystone's bootstrap, and the one that keystonemiddleware requires of service users.
BASE_ROLES = ("admin", "member", "reader", "service")
STAMP = Path("/var/lib/altostratus/keystone-passwords")


class RefusedError(Exception):
    """Keystone answered with an error, or not at all."""


class Identity:
    """The identity API, as the user admin of the project admin.

    Raises RefusedError for every answer that is not a success.
    """

    def __init__(self, host: str, port: int, password: str) -> None:
        """Get a token of the user admin."""
        self.address = (host, port)
        self.token: str | None = None
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        headers, _body = self._call("POST", "/auth/tokens", {"auth": auth})
        self.token = headers["X-Subject-Token"]

    def _call(
        self, method: str, path: str, body: object = None
    ) -> tuple[HTTPMessage, dict[str, Any]]:
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["X-Auth-Token"] = self.token
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        try:
            connection.request(method, f"/v3{path}", data, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise RefusedError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise RefusedError(f"{method} {path}: {answer.status} {text[:300]}")
        return answer.headers, json.loads(text) if text else {}

    def find(self, kind: str, **query: str) -> list[dict[str, Any]]:
        """Return all resources of ``kind`` ("user") that match ``query``."""
        text = urllib.parse.urlencode(query)
        found: list[dict[str, Any]] = self._call("GET", f"/{kind}s?{text}")[1][f"{kind}s"]
        return found

    def create(self, kind: str, **fields: object) -> dict[str, Any]:
        """Create a resource of ``kind`` and return it."""
        print(f"creating {kind} {fields.get('name') or fields.get('url')}", file=sys.stderr)
        made: dict[str, Any] = self._call("POST", f"/{kind}s", {kind: fields})[1][kind]
        return made

    def update(self, kind: str, identifier: str, **fields: object) -> None:
        """Change ``fields`` of the resource ``identifier``."""
        self._call("PATCH", f"/{kind}s/{identifier}", {kind: fields})

    def grant(self, scope: str, scope_id: str, user: str, role: str) -> None:
        """Give a user a role in a project ("projects") or domain ("domains")."""
        self._call("PUT", f"/{scope}/{scope_id}/users/{user}/roles/{role}")


class Passwords:
    """Digests of the passwords that this program has set, so that it sets only those that changed.

    Keystone does not show passwords, and setting one again would revoke the user's tokens.
    """

    def __init__(self, path: Path) -> None:
        """Read the digests from ``path``."""
        self.path = path
        self.known: dict[str, str] = {}
        if path.exists():
            self.known = json.loads(path.read_text(encoding="ascii"))

    def digest(self, user: str, password: str) -> str:
        """Return what is stored for a password."""
        hashed = hashlib.pbkdf2_hmac("sha256", password.encode(), user.encode(), 1000)
        return base64.b64encode(hashed).decode()

    def is_set(self, user: str, password: str) -> bool:
        """Return whether ``password`` is the one that was set last."""
        return self.known.get(user) == self.digest(user, password)

    def record(self, user: str, password: str) -> None:
        """Store that ``password`` is set now."""
        self.known[user] = self.digest(user, password)
        write_private(self.path, json.dumps(self.known))


def write_private(path: Path, text: str, owner: tuple[int, int] | None = None) -> None:
    """Write a file of mode 0600 atomically; ``owner`` is its user id and group id."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as target:
        target.write(text)
        if owner:
            os.fchown(target.fileno(), *owner)
    new.rename(path)


def write_keys(directory: str, owner: str) -> None:
    """Write the keys on stdin to a key repository and delete all other keys there.

    ``owner`` is UID:GID.
    """
    user, group = (int(number) for number in owner.split(":"))
    keys = json.load(sys.stdin)
    wanted = [Path(directory, str(number)) for number in range(len(keys))]
    for path, key in zip(wanted, keys, strict=True):
        if not path.exists() or path.read_text(encoding="ascii") != key:
            write_private(path, key, (user, group))
    for path in set(Path(directory).iterdir()) - set(wanted):
        path.unlink()


def ensure_user(
    identity: Identity, passwords: Passwords, name: str, password: str, domain: str = "default"
) -> str:
    """Create the user or update its password, if necessary; return its id."""
    found = identity.find("user", name=name, domain_id=domain)
    key = f"{domain}/{name}"
    if not found:
        user = identity.create("user", name=name, password=password, domain_id=domain)
        passwords.record(key, password)
        return str(user["id"])
    if not passwords.is_set(key, password):
        identity.update("user", found[0]["id"], password=password)
        passwords.record(key, password)
    return str(found[0]["id"])


def ensure_roles(identity: Identity, names: Iterable[str]) -> dict[str, str]:
    """Create the roles that are missing; return the ids of all roles by name."""
    ids = {role["name"]: role["id"] for role in identity.find("role")}
    for name in (*BASE_ROLES, *names):
        if name not in ids:
            ids[name] = identity.create("role", name=name)["id"]
    return ids


def ensure_named(identity: Identity, kind: str, name: str, **fields: str) -> str:
    """Create the resource of ``kind`` called ``name`` if it is missing; return its id."""
    found = identity.find(kind, name=name, **fields)
    return str((found[0] if found else identity.create(kind, name=name, **fields))["id"])


def ensure_service_users(
    identity: Identity, passwords: Passwords, wish: Mapping[str, Any], roles: Mapping[str, str]
) -> None:
    """Create the service users, with the roles admin and service in the project service."""
    project = ensure_named(identity, "project", "service", domain_id="default")
    users = {item["name"]: item["password"] for item in wish["users"]}
    users.update(
        {item["user"]: item["password"] for item in wish["services"] if item.get("password")}
    )
    for name, password in users.items():
        user = ensure_user(identity, passwords, name, password)
        for role in ("admin", "service"):
            identity.grant("projects", project, user, roles[role])


def ensure_domains(
    identity: Identity,
    passwords: Passwords,
    domains: Iterable[Mapping[str, str]],
    roles: Mapping[str, str],
) -> None:
    """Create the domains, each with its administrator."""
    for item in domains:
        domain = ensure_named(identity, "domain", item["name"])
        user = ensure_user(identity, passwords, item["admin"], item["password"], domain)
        identity.grant("domains", domain, user, roles["admin"])


def ensure_admin(identity: Identity, names: Iterable[str], roles: Mapping[str, str]) -> None:
    """Give the user admin the owner's roles in the project admin."""
    user = identity.find("user", name="admin", domain_id="default")[0]["id"]
    project = identity.find("project", name="admin", domain_id="default")[0]["id"]
    for name in names:
        if name.endswith("_owner"):
            identity.grant("projects", project, user, roles[name])


def ensure_catalogue(
    identity: Identity, services: Sequence[Mapping[str, str]], region: str
) -> None:
    """Create missing services and endpoints; correct the URLs of existing ones."""
    known = {service["type"]: service["id"] for service in identity.find("service")}
    endpoints = {
        (one["service_id"], one["interface"]): one
        for one in identity.find("endpoint", region_id=region)
    }
    for item in services:
        service = known.get(item["type"])
        if service is None:
            service = identity.create("service", name=item["name"], type=item["type"])["id"]
        for interface in ("public", "internal", "admin"):
            url = item[interface]
            there = endpoints.get((service, interface))
            if there is None:
                identity.create(
                    "endpoint",
                    service_id=service,
                    interface=interface,
                    url=url,
                    region_id=region,
                )
            elif there["url"] != url:
                identity.update("endpoint", there["id"], url=url)


def configure(host: str, port: str) -> None:
    """Create in Keystone what the JSON on stdin describes."""
    wish = json.load(sys.stdin)
    identity = Identity(host, int(port), wish["admin-password"])
    passwords = Passwords(STAMP)
    roles = ensure_roles(identity, wish["roles"])
    ensure_admin(identity, wish["roles"], roles)
    ensure_service_users(identity, passwords, wish, roles)
    ensure_domains(identity, passwords, wish["domains"], roles)
    ensure_catalogue(identity, wish["services"], wish["region"])


if __name__ == "__main__":
    try:
        {"keys": write_keys, "catalogue": configure}[sys.argv[1]](*sys.argv[2:])
    except RefusedError as refusal:
        sys.exit(f"error: Keystone: {refusal}")
