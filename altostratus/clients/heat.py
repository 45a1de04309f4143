# SPDX-License-Identifier: Apache-2.0
"""Heat, through python-heatclient: the calls that devtest makes.

The argument ``heat`` is always the client that ``client`` returns. Stacks, events and resources are
heatclient's objects; their attributes are those of Heat's API,
https://docs.openstack.org/api-ref/orchestration/v1/.
"""

from typing import Any

from altostratus.clients.errors import ServiceError, translated
from altostratus.clients.session import Region

SERVICE = "Heat"


def client(region: Region) -> Any:
    """Return a python-heatclient for the Heat of ``region``."""
    with translated(SERVICE):
        from heatclient.client import Client

        return Client("1", session=region.get_session(), region_name=region.region_name or None)


def find(heat: Any, name: str) -> Any | None:
    """Return the stack with this name or id, None if there is none."""
    try:
        with translated(SERVICE):
            return heat.stacks.get(name, resolve_outputs=False)
    except ServiceError as error:
        if error.status == 404:
            return None
        raise


def stacks(heat: Any) -> list[Any]:
    """Return all stacks without nested ones."""
    with translated(SERVICE):
        # heatclient asks only when the list is read.
        return list(heat.stacks.list())


def output(heat: Any, stack: str, key: str) -> Any:
    """Return the value of the output ``key`` of a stack."""
    with translated(SERVICE):
        return heat.stacks.output_show(stack, key)["output"]["output_value"]


def create(heat: Any, name: str, fields: dict[str, Any]) -> None:
    """Begin to create a stack; ``fields`` are the API's, such as ``template``."""
    with translated(SERVICE):
        heat.stacks.create(stack_name=name, **fields)


def update(heat: Any, stack_id: str, fields: dict[str, Any]) -> None:
    """Begin to update a stack; ``fields`` are the API's."""
    with translated(SERVICE):
        heat.stacks.update(stack_id, **fields)


def delete(heat: Any, stack_id: str) -> None:
    """Begin to delete a stack."""
    with translated(SERVICE):
        heat.stacks.delete(stack_id)


def events(heat: Any, stack: str, depth: int, after: str = "") -> list[Any]:
    """Return the events of a stack, oldest first, later than the one with the id ``after``.

    ``depth`` is how many levels of nested stacks are included.
    """
    options: dict[str, Any] = {"nested_depth": depth, "sort_dir": "asc"}
    if after:
        options["marker"] = after
    with translated(SERVICE):
        return list(heat.events.list(stack, **options))


def resources(heat: Any, stack: str, depth: int) -> list[Any]:
    """Return the resources of a stack and of ``depth`` levels of nested stacks."""
    with translated(SERVICE):
        return list(heat.resources.list(stack, nested_depth=depth))


def deployments(heat: Any, **filters: str) -> list[Any]:
    """Return the software deployments; ``server_id`` limits them to those of one server."""
    with translated(SERVICE):
        return list(heat.software_deployments.list(**filters))


def outputs(heat: Any, deployment_id: str) -> dict[str, Any]:
    """Return what a software deployment has signalled, by the names of its outputs."""
    with translated(SERVICE):
        return dict(heat.software_deployments.get(deployment_id).output_values or {})
