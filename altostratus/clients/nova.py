# SPDX-License-Identifier: Apache-2.0
"""Nova, through python-novaclient: the calls that setup-flavors and devtest make.

Each kind of call has the microversion that it needs and no later one: the fields that we read are
the same on every Nova, and a Nova that lacks the microversion says so.
https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.session import Region
from altostratus.undo import undone

SERVICE = "Nova"

BASE = "2.1"
"""Servers, key pairs and quotas. Later ones make Nova look up more for each server."""
ADMIN = "2.53"
"""Services and hypervisors: from here on services have UUIDs, unique across cells.

Hypervisors must not be listed with a later one: from 2.88 on Nova asks each nova-compute for its
uptime, and fails while one is busy starting its instances.
"""
FLAVORS = "2.61"
"""The first in which a list of flavors has their extra specs."""

UNLIMITED = -1
COMPUTE = "nova-compute"


@dataclass(frozen=True)
class Server:
    """A server. ``host`` is the nova-compute that it is on; ``fault`` is why it is in ERROR.

    ``addresses`` maps networks to their first IPv4 address there. ``domain`` is the name that the
    driver of libvirt gives to it; ``image`` the id of its image.
    """

    id: str
    name: str
    status: str
    host: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    addresses: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    domain: str = ""
    image: str = ""


@dataclass(frozen=True)
class Service:
    """A nova-compute: ``status`` is enabled or disabled, ``state`` is up or down."""

    id: str
    host: str
    status: str
    state: str


@dataclass(frozen=True)
class Flavor:
    """A flavor: ``ram`` and ``swap`` are in MiB, ``disk`` and ``ephemeral`` in GiB.

    ``id`` is empty for one to be created, if Nova shall choose it. Two flavors are equal if they
    are the same in what ``flavors.json`` says of them, which is not all that Nova keeps.
    """

    name: str
    ram: int
    vcpus: int
    disk: int
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default="", compare=False)
    ephemeral: int = field(default=0, compare=False)
    swap: int = field(default=0, compare=False)
    rxtx_factor: float = field(default=1.0, compare=False)
    public: bool = field(default=True, compare=False)
    description: str | None = field(default=None, compare=False)


class Nova:
    """The Nova of a region. Methods raise ServiceError if it refuses or does not answer."""

    def __init__(self, region: Region) -> None:
        """Prepare to talk to the Nova of ``region``; it is asked nothing yet."""
        self._region = region
        self._client = cache(self._connect)

    def _connect(self, version: str) -> Any:
        """Return a novaclient that speaks the microversion ``version``."""
        from novaclient.client import Client

        region = self._region
        made = Client(
            version,
            session=region.get_session(),
            region_name=region.region_name or None,
            endpoint_type=region.get_interface("compute") or "public",
            endpoint_override=region.get_endpoint("compute"),
            # The service catalog may have an endpoint without a version.
            min_version="2.1",
            max_version="2.latest",
        )
        for manager in (made.servers, made.flavors, made.services, made.hypervisors, made.keypairs):
            # novaclient writes names and ids to ~/.novaclient, for the completion of its command.
            manager.completion_cache = _no_completion_cache
        return made

    def servers(self) -> list[Server]:
        """Return the servers of all projects."""
        with translated(SERVICE):
            found = self._client(BASE).servers.list(search_opts={"all_tenants": 1}, limit=-1)
            return [_server(each.to_dict()) for each in found]

    def server(self, server_id: str) -> Server:
        """Return the server with this id."""
        with translated(SERVICE):
            return _server(self._client(BASE).servers.get(server_id).to_dict())

    def stop_server(self, server_id: str) -> None:
        """Ask a server to shut down, without waiting."""
        with translated(SERVICE):
            self._client(BASE).servers.stop(server_id)

    def delete_server(self, server_id: str) -> None:
        """Delete a server, without waiting. One that is gone already is no error."""
        with _gone_is_fine():
            self._client(BASE).servers.delete(server_id)

    def console(self, server_id: str, lines: int) -> str:
        """Return the last ``lines`` lines that a server printed on its console."""
        with translated(SERVICE):
            return str(self._client(BASE).servers.get_console_output(server_id, lines))

    def set_quotas(self, project_id: str, limits: Mapping[str, int]) -> None:
        """Set the limits of a project by name, such as ``cores``; UNLIMITED takes one off."""
        with translated(SERVICE):
            self._client(BASE).quotas.update(project_id, force=True, **limits)

    def public_key(self, name: str) -> str | None:
        """Return the public key of the key pair ``name``, None if there is none."""
        try:
            with translated(SERVICE):
                return str(self._client(BASE).keypairs.get(name).to_dict()["public_key"])
        except ServiceError as error:
            if error.status == 404:
                return None
            raise

    def create_key(self, name: str, public_key: str) -> None:
        """Create a key pair from a public key (OpenSSH's format)."""
        with translated(SERVICE):
            self._client(BASE).keypairs.create(name, public_key)

    def delete_key(self, name: str) -> None:
        """Delete a key pair. One that is gone already is no error."""
        with _gone_is_fine():
            self._client(BASE).keypairs.delete(name)

    def compute_hosts(self) -> set[str]:
        """Return the hosts that Nova can place servers on: mapped to a cell, nova-compute up."""
        with translated(SERVICE):
            found = [each.to_dict() for each in self._client(ADMIN).hypervisors.list()]
            return {str(each["service"]["host"]) for each in found if each["state"] == "up"}

    def compute_services(self, hosts: Collection[str]) -> list[Service]:
        """Return the records of the nova-computes on ``hosts``."""
        with translated(SERVICE):
            found = [each.to_dict() for each in self._client(ADMIN).services.list(binary=COMPUTE)]
            return [
                Service(str(each["id"]), each["host"], each["status"], each["state"])
                for each in found
                if each["host"] in hosts
            ]

    def enable(self, service: Service) -> None:
        """Let the scheduler have the host of ``service``."""
        with translated(SERVICE):
            self._client(ADMIN).services.enable(service.id)

    def disable(self, service: Service, reason: str) -> None:
        """Keep the scheduler from the host of ``service``; ``reason`` is for administrators."""
        with translated(SERVICE):
            self._client(ADMIN).services.disable_log_reason(service.id, reason)

    def force_down(self, service: Service, down: bool) -> None:
        """Declare that ``service`` is down, whatever it reports, or no longer do so."""
        with translated(SERVICE):
            self._client(ADMIN).services.force_down(service.id, down)

    def delete_service(self, service: Service) -> None:
        """Delete the record of ``service``. One that is gone already is no error."""
        with _gone_is_fine():
            self._client(ADMIN).services.delete(service.id)

    def flavors(self) -> list[Flavor]:
        """Return all flavors, private ones too, with their extra specs."""
        found: list[Flavor] = []
        with translated(SERVICE):
            # Nova answers with one page at a time (osapi_max_limit).
            flavors, last = self._client(FLAVORS).flavors, None
            while page := flavors.list(is_public=None, marker=last):
                found += [_flavor(each.to_dict()) for each in page]
                last = found[-1].id
        return found

    def flavor_projects(self, flavor: Flavor) -> list[str]:
        """Return the ids of the projects that may use ``flavor``; none for a public one."""
        if flavor.public:
            return []
        with translated(SERVICE):
            found = self._client(FLAVORS).flavor_access.list(flavor=flavor.id)
            return [str(each.tenant_id) for each in found]

    def create_flavor(self, flavor: Flavor, projects: Iterable[str] = ()) -> Flavor:
        """Create a flavor, for ``projects`` if it is private, and return it with its id.

        It is there wholly or not at all: if Nova refuses a part, the rest is deleted again.
        """
        with translated(SERVICE):
            client = self._client(FLAVORS)
            options = {
                "flavorid": flavor.id or "auto",
                "ephemeral": flavor.ephemeral,
                "swap": flavor.swap,
                "rxtx_factor": flavor.rxtx_factor,
                "is_public": flavor.public,
                "description": flavor.description,
            }
            made = client.flavors.create(
                flavor.name, flavor.ram, flavor.vcpus, flavor.disk, **options
            )
            created = replace(flavor, id=str(made.id))
        half = f"Nova has a part of the flavor {flavor.name} ({created.id})"
        with undone(half, lambda: self.delete_flavor(created)), translated(SERVICE):
            if flavor.extra_specs:
                made.set_keys(dict(flavor.extra_specs))
            for project in projects:
                client.flavor_access.add_tenant_access(made, project)
        return created

    def set_extra_specs(self, flavor: Flavor, wanted: Mapping[str, str]) -> None:
        """Give ``flavor`` the extra specs ``wanted`` and no other; if that fails, its own again."""
        with translated(SERVICE):
            manager = self._client(FLAVORS).flavors
            there = manager.resource_class(manager, {"id": flavor.id})
        before, mixed = flavor.extra_specs, {**flavor.extra_specs, **wanted}
        half = f"the flavor {flavor.name} has some of its new extra specs"
        with undone(half, lambda: _revise(there, mixed, before)):
            _revise(there, before, wanted)

    def delete_flavor(self, flavor: Flavor) -> None:
        """Delete a flavor. One that is gone already is no error."""
        with _gone_is_fine():
            self._client(FLAVORS).flavors.delete(flavor.id)


def _revise(there: Any, before: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Change the extra specs of the flavor ``there`` from ``before`` to ``wanted``."""
    if wanted:
        with translated(SERVICE):
            there.set_keys(dict(wanted))
    for key in before.keys() - wanted.keys():
        with _gone_is_fine():
            there.unset_keys([key])


def _no_completion_cache(*_: Any, **__: Any) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


@contextlib.contextmanager
def _gone_is_fine() -> Iterator[None]:
    """Translate errors but for the one that says that there is no such thing."""
    try:
        with translated(SERVICE):
            yield
    except ServiceError as error:
        if error.status != 404:
            raise


def _server(info: Mapping[str, Any]) -> Server:
    metadata = info.get("metadata") or {}
    return Server(
        id=str(info["id"]),
        name=str(info["name"]),
        status=str(info["status"]),
        host=str(info.get("OS-EXT-SRV-ATTR:host") or ""),
        metadata=dict(metadata),
        addresses={
            network: next((port["addr"] for port in ports if port["version"] == 4), "")
            for network, ports in (info.get("addresses") or {}).items()
        },
        fault=str((info.get("fault") or {}).get("message", "")),
        domain=str(info.get("OS-EXT-SRV-ATTR:instance_name") or ""),
        # Empty for a server that boots from a volume.
        image=str((info.get("image") or {}).get("id", "")),
    )


def _flavor(info: Mapping[str, Any]) -> Flavor:
    return Flavor(
        name=str(info["name"]),
        ram=int(info["ram"]),
        vcpus=int(info["vcpus"]),
        disk=int(info["disk"]),
        extra_specs=dict(info.get("extra_specs") or {}),
        id=str(info["id"]),
        ephemeral=int(info.get("OS-FLV-EXT-DATA:ephemeral") or 0),
        # Before microversion 2.75 no swap is an empty text.
        swap=int(info.get("swap") or 0),
        rxtx_factor=float(info.get("rxtx_factor") or 1.0),
        public=bool(info.get("os-flavor-access:is_public", True)),
        description=info.get("description"),
    )
