# SPDX-License-Identifier: Apache-2.0
"""What python-heatclient asks of Heat, and what we make of the answers."""

from collections.abc import Iterator
from typing import Any

import loopback
import pytest
from loopback import Answer, Request

from altostratus.clients import heat
from altostratus.clients.errors import ServiceError

STACK = {"id": "s1", "stack_name": "overcloud", "stack_status": "CREATE_COMPLETE"}


class FakeHeat:
    """Answers by path; what is not there is a 404, as Heat words it."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.requests: list[Request] = []

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        message = f"The Stack ({request.path}) could not be found."
        missing = {"code": 404, "error": {"message": message}, "explanation": "Not there."}
        return self.answers.get(f"{request.method} {request.path}", Answer(404, missing))


@pytest.fixture
def fake() -> FakeHeat:
    return FakeHeat()


@pytest.fixture
def client(fake: FakeHeat) -> Iterator[Any]:
    with loopback.serving(fake.answer) as url:
        yield heat.client(loopback.region(url))


def test_a_stack_is_found_or_not(fake: FakeHeat, client: Any) -> None:
    assert heat.find(client, "overcloud") is None
    fake.answers["GET /stacks/overcloud"] = Answer(body={"stack": STACK})
    found = heat.find(client, "overcloud")
    assert found is not None and found.stack_status == "CREATE_COMPLETE"
    # Outputs take Heat long, and nobody reads them.
    assert fake.requests[-1].query == {"resolve_outputs": "False"}
    fake.answers["GET /stacks/overcloud"] = Answer(403, {"error": {"message": "Not yours."}})
    with pytest.raises(ServiceError, match=r"^Heat answers: Not yours\. \(HTTP 403\)$"):
        heat.find(client, "overcloud")


def test_stacks_are_created_updated_and_deleted(fake: FakeHeat, client: Any) -> None:
    fake.answers["POST /stacks"] = Answer(201, {"stack": {"id": "s1", "links": []}})
    heat.create(client, "overcloud", {"template": "t", "tags": "x"})
    assert fake.requests[-1].body["stack_name"] == "overcloud"
    assert fake.requests[-1].body["tags"] == "x"
    fake.answers["PUT /stacks/s1"] = Answer(202)
    heat.update(client, "s1", {"template": "t2"})
    assert fake.requests[-1].body["template"] == "t2"
    with pytest.raises(ServiceError, match="could not be found"):
        heat.delete(client, "s2")


def test_events_of_nested_stacks_after_the_last(fake: FakeHeat, client: Any) -> None:
    event = {"id": "e2", "resource_name": "server", "resource_status": "CREATE_COMPLETE"}
    fake.answers["GET /stacks/overcloud/events"] = Answer(body={"events": [event]})
    (found,) = heat.events(client, "overcloud", 4, after="e1")
    assert found.resource_name == "server"
    asked = fake.requests[-1].query
    assert asked == {"nested_depth": "4", "sort_dir": "asc", "marker": "e1"}
    heat.events(client, "overcloud", 4)
    assert "marker" not in fake.requests[-1].query


def test_what_is_listed_late_is_translated_too(client: Any) -> None:
    for listed in (heat.stacks, lambda one: heat.resources(one, "overcloud", 4), heat.deployments):
        with pytest.raises(ServiceError, match="could not be found"):
            listed(client)


def test_deployments_and_what_they_signalled(fake: FakeHeat, client: Any) -> None:
    one = {"id": "d1", "server_id": "i1", "status": "COMPLETE"}
    fake.answers["GET /software_deployments"] = Answer(body={"software_deployments": [one]})
    (found,) = heat.deployments(client, server_id="i1")
    assert (found.id, found.status) == ("d1", "COMPLETE")
    assert fake.requests[-1].query == {"server_id": "i1"}
    for values, expected in (({"deploy_stdout": "x"}, {"deploy_stdout": "x"}), (None, {})):
        shown = Answer(body={"software_deployment": one | {"output_values": values}})
        fake.answers["GET /software_deployments/d1"] = shown
        assert heat.outputs(client, "d1") == expected
