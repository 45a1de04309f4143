# SPDX-License-Identifier: Apache-2.0
"""Nova, through python-novaclient: the calls that setup-flavors and devtest make.

Each kind of call has the microversion that it needs and no later one: the fields that we read are
the same on every Nova, and a Nova that lacks the microversion says so.
https://docs.openstack.org/nova/latest/reference/api-microversion-history.html
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.session import Region

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
    """A flavor: ``ram`` is in MiB, ``disk`` in GiB. ``id`` is empty for one to be created."""

    name: str
    ram: int
    vcpus: int
    disk: int
    extra_specs: Mapping[str, str] = field(default_factory=dict)
    id: str = field(default="", compare=False)


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
        """Return all public flavors, with their extra specs."""
        found: list[Flavor] = []
        with translated(SERVICE):
            # Nova answers with one page at a time (osapi_max_limit).
            flavors, last = self._client(FLAVORS).flavors, None
            while page := flavors.list(marker=last):
                found += [_flavor(each.to_dict()) for each in page]
                last = found[-1].id
        return found

    def create_flavor(self, flavor: Flavor) -> None:
        """Create a public flavor."""
        with translated(SERVICE):
            made = self._client(FLAVORS).flavors.create(
                flavor.name, flavor.ram, flavor.vcpus, flavor.disk
            )
            if flavor.extra_specs:
                made.set_keys(dict(flavor.extra_specs))

    def delete_flavor(self, flavor: Flavor) -> None:
        """Delete a flavor. One that is gone already is no error."""
        with _gone_is_fine():
            self._client(FLAVORS).flavors.delete(flavor.id)


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
    )
