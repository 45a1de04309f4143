#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""Bring Keystone's keys and contents to what the metadata says; asking before changing anything.

    keystone-setup.py keys DIRECTORY UID:GID    the key repository; stdin: JSON list of keys
    keystone-setup.py catalogue HOST PORT       users, roles, services, endpoints, domains; stdin:
        JSON map of admin-password, region, services, users, roles, domains

Secrets come in on stdin only. One process that speaks HTTP itself: the openstack client would take
100 times as long. What Keystone holds beyond the metadata stays.
"""

import base64
import hashlib
import http.client
import json
import os
import sys
import urllib.parse
from pathlib import Path

# What Keystone's bootstrap makes, and what middleware asks service users for.
BASE_ROLES = ("admin", "member", "reader", "service")
STAMP = Path("/var/lib/altostratus/keystone-passwords")


class RefusedError(Exception):
    """Keystone answered with an error."""


class Identity:
    """The identity API, as the user admin of the project admin.

    Raises RefusedError for every answer that is not a success.
    """

    def __init__(self, host, port, password):
        """Get a token of the user admin."""
        self.address = (host, port)
        self.token = None
        domain = {"id": "default"}
        user = {"name": "admin", "domain": domain, "password": password}
        auth = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": {"project": {"name": "admin", "domain": domain}},
        }
        headers, _body = self._call("POST", "/auth/tokens", {"auth": auth})
        self.token = headers["X-Subject-Token"]

    def _call(self, method, path, body=None):
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

    def find(self, kind, **query):
        """Return all things of a kind ("user") that match the query."""
        text = urllib.parse.urlencode(query)
        return self._call("GET", f"/{kind}s?{text}")[1][f"{kind}s"]

    def create(self, kind, **fields):
        """Make one thing of a kind and return it."""
        print(f"creating {kind} {fields.get('name') or fields.get('url')}", file=sys.stderr)
        return self._call("POST", f"/{kind}s", {kind: fields})[1][kind]

    def update(self, kind, identifier, **fields):
        """Change fields of one thing."""
        self._call("PATCH", f"/{kind}s/{identifier}", {kind: fields})

    def grant(self, scope, scope_id, user, role):
        """Give a user a role in a project ("projects") or domain ("domains")."""
        self._call("PUT", f"/{scope}/{scope_id}/users/{user}/roles/{role}")


class Passwords:
    """Digests of the passwords that this program set, so that it sets only those that changed.

    Keystone shows no password, and setting one again would revoke the user's tokens.
    """

    def __init__(self, path):
        """Read the digests."""
        self.path = path
        self.known = {}
        if path.exists():
            self.known = json.loads(path.read_text(encoding="ascii"))

    def digest(self, user, password):
        """Return what is kept of a password."""
        hashed = hashlib.pbkdf2_hmac("sha256", password.encode(), user.encode(), 1000)
        return base64.b64encode(hashed).decode()

    def is_set(self, user, password):
        """Return whether this is the password that was set last."""
        return self.known.get(user) == self.digest(user, password)

    def record(self, user, password):
        """Note a password that is set now."""
        self.known[user] = self.digest(user, password)
        write_private(self.path, json.dumps(self.known))


def write_private(path, text, owner=None):
    """Write a file that only its owner can read, complete or not at all."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as target:
        target.write(text)
        if owner:
            os.fchown(target.fileno(), *owner)
    new.rename(path)


def write_keys(directory, owner):
    """Make the key repository of numbered files hold the keys of stdin and no others."""
    user, group = (int(number) for number in owner.split(":"))
    keys = json.load(sys.stdin)
    wanted = [Path(directory, str(number)) for number in range(len(keys))]
    for path, key in zip(wanted, keys, strict=True):
        if not path.exists() or path.read_text(encoding="ascii") != key:
            write_private(path, key, (user, group))
    for path in set(Path(directory).iterdir()) - set(wanted):
        path.unlink()


def ensure_user(identity, passwords, name, password, domain="default"):
    """Return the id of the user, made or with its password changed if need be."""
    found = identity.find("user", name=name, domain_id=domain)
    key = f"{domain}/{name}"
    if not found:
        user = identity.create("user", name=name, password=password, domain_id=domain)
        passwords.record(key, password)
        return user["id"]
    if not passwords.is_set(key, password):
        identity.update("user", found[0]["id"], password=password)
        passwords.record(key, password)
    return found[0]["id"]


def ensure_roles(identity, names):
    """Return the ids of all roles by name."""
    ids = {role["name"]: role["id"] for role in identity.find("role")}
    for name in (*BASE_ROLES, *names):
        if name not in ids:
            ids[name] = identity.create("role", name=name)["id"]
    return ids


def ensure_named(identity, kind, name, **fields):
    """Return the id of the one thing of a kind with that name."""
    found = identity.find(kind, name=name, **fields)
    return (found[0] if found else identity.create(kind, name=name, **fields))["id"]


def ensure_service_users(identity, passwords, wish, roles):
    """Make the service users, with the roles admin and service in the project service."""
    project = ensure_named(identity, "project", "service", domain_id="default")
    users = {item["name"]: item["password"] for item in wish["users"]}
    users.update(
        {item["user"]: item["password"] for item in wish["services"] if item.get("password")}
    )
    for name, password in users.items():
        user = ensure_user(identity, passwords, name, password)
        for role in ("admin", "service"):
            identity.grant("projects", project, user, roles[role])


def ensure_domains(identity, passwords, domains, roles):
    """Make the domains, each with its administrator."""
    for item in domains:
        domain = ensure_named(identity, "domain", item["name"])
        user = ensure_user(identity, passwords, item["admin"], item["password"], domain)
        identity.grant("domains", domain, user, roles["admin"])


def ensure_admin(identity, names, roles):
    """Give the user admin the owner's roles in the project admin."""
    user = identity.find("user", name="admin", domain_id="default")[0]["id"]
    project = identity.find("project", name="admin", domain_id="default")[0]["id"]
    for name in names:
        if name.endswith("_owner"):
            identity.grant("projects", project, user, roles[name])


def ensure_catalogue(identity, services, region):
    """Make services and endpoints; correct the URLs of those that are there."""
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


def configure(host, port):
    """Make Keystone hold what stdin asks for."""
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
