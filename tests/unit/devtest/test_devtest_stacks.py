# SPDX-License-Identifier: Apache-2.0
"""When a stack is created, updated, made anew or left alone; how events become an error."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from heatclient.exc import HTTPNotFound

from altostratus.console import Progress
from altostratus.datafiles import examples_path
from altostratus.errors import AltostratusError
from devtest.cloud import deploy, stacks, verify
from devtest.undercloud.instances import Instance
from devtest.workspace import Workspace
from generator import generate
from generator.output.generated import Generated

REQUEST = {"template": {"a": 1}, "environment": {}, "environment_files": [], "files": {}}


def event(
    number: int,
    status: str,
    physical: str = "",
    resource: str = "server",
    reason: str = "because",
) -> SimpleNamespace:
    return SimpleNamespace(
        id=f"e{number}",
        resource_name=resource,
        resource_status=status,
        resource_status_reason=reason,
        physical_resource_id=physical,
    )


class FakeHeat:
    """One stack and what was asked of Heat; shaped as python-heatclient."""

    def __init__(self, status: str | None, tags: list[str], events: list[Any]) -> None:
        self.status, self.tags, self.listed = status, tags, events
        self.calls: list[str] = []
        self.stacks = self
        self.events = SimpleNamespace(list=self._events)
        self.software_deployments = SimpleNamespace(
            list=lambda: [SimpleNamespace(id="d1", server_id="s1")],
            get=lambda _: SimpleNamespace(
                output_values={
                    "deploy_stderr": "post-configure.d/12-mariadb failed\nmariadb is ill"
                }
            ),
        )

    def get(self, name: str, resolve_outputs: bool) -> Any:
        if self.status is None:
            raise HTTPNotFound
        return SimpleNamespace(
            id="stack", stack_status=self.status, stack_status_reason="", tags=self.tags
        )

    def create(self, **fields: Any) -> None:
        self.calls.append("create")
        self.status = "CREATE_COMPLETE"

    def update(self, identity: str, **fields: Any) -> None:
        self.calls.append("update")
        self.status = "UPDATE_COMPLETE"

    def delete(self, identity: str) -> None:
        self.calls.append("delete")
        self.status = None

    def _events(self, name: str, **arguments: Any) -> list[Any]:
        return self.listed


SAME = [stacks.fingerprint(REQUEST)]


@pytest.mark.parametrize(
    ("status", "tags", "events", "calls"),
    [
        (None, [], [], ["create"]),
        ("CREATE_COMPLETE", SAME, [], []),
        ("UPDATE_COMPLETE", SAME, [], []),
        ("CREATE_COMPLETE", ["other"], [], ["update"]),
        ("UPDATE_FAILED", SAME, [], ["update"]),
        ("UPDATE_IN_PROGRESS", SAME, [], ["update"]),
        ("CREATE_FAILED", SAME, [], ["delete", "create"]),
        ("DELETE_FAILED", SAME, [], ["delete", "create"]),
        ("CREATE_IN_PROGRESS", SAME, [event(1, "CREATE_COMPLETE")], []),
        ("CREATE_IN_PROGRESS", ["other"], [event(1, "CREATE_COMPLETE")], ["update"]),
        ("CREATE_IN_PROGRESS", SAME, [event(1, "CREATE_FAILED")], ["delete", "create"]),
    ],
)
def test_what_a_stack_needs(
    status: str | None, tags: list[str], events: list[Any], calls: list[str]
) -> None:
    heat = FakeHeat(status, tags, events)
    stacks.apply(heat, "overcloud", REQUEST, timeout=60)
    assert heat.calls == calls


UPDATE = "UPDATE_IN_PROGRESS"
BEGIN = event(2, UPDATE, resource="overcloud")


@pytest.mark.parametrize(
    ("events", "after"),
    [
        ([event(1, "CREATE_FAILED"), BEGIN, event(3, UPDATE)], "e2"),
        ([BEGIN, event(3, "UPDATE_FAILED", reason="Stack UPDATE cancelled")], "e2"),
        ([BEGIN, event(3, "UPDATE_FAILED")], None),
        ([BEGIN, event(3, UPDATE), event(4, UPDATE, resource="overcloud"), event(5, UPDATE)], "e4"),
    ],
)
def test_an_update_that_was_left_is_followed_from_its_beginning(
    events: list[Any], after: str | None
) -> None:
    """But made again when something in it has failed already."""
    heat = FakeHeat(UPDATE, SAME, events)
    found = stacks.apply(heat, "overcloud", REQUEST, timeout=60)
    assert (found, heat.calls) == ((after, []) if after else (events[-1].id, ["update"]))


@pytest.mark.parametrize(
    ("status", "reason", "done"),
    [
        ("CREATE_COMPLETE", "state changed", True),
        ("UPDATE_COMPLETE", "state changed", True),
        ("UPDATE_COMPLETE", "The Resource server requires replacement.", False),
        ("DELETE_COMPLETE", "state changed", False),
        ("CREATE_IN_PROGRESS", "state changed", False),
    ],
)
def test_what_is_replaced_is_not_done(status: str, reason: str, done: bool) -> None:
    assert stacks.Event("e1", "server", status, reason, "s1").done == done


def test_following_ends_with_the_stack() -> None:
    heat = FakeHeat("CREATE_COMPLETE", [], [event(1, "CREATE_COMPLETE")])
    batches = list(stacks.follow(heat, "overcloud", "", timeout=60))
    assert [each.id for batch in batches for each in batch] == ["e1"]
    heat.status = "CREATE_FAILED"
    with pytest.raises(AltostratusError, match="is CREATE_FAILED"):
        list(stacks.follow(heat, "overcloud", "", timeout=60))
    heat.status = "CREATE_IN_PROGRESS"
    with pytest.raises(TimeoutError):
        list(stacks.follow(heat, "overcloud", "", timeout=-1))


def instance(status: str = "ACTIVE", host: str = "undercloud-lxc") -> Instance:
    return Instance("database-0", "s1", "overcloud", "database", status, host, {})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("physical", "message"),
    [
        ("d1", "database-0: post-configure.d/12-mariadb failed\nmariadb is ill"),
        ("s1", "database-0: the server failed: because"),
        ("", "overcloud: server CREATE_FAILED: because"),
    ],
)
def test_a_failure_names_the_instance(
    physical: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("devtest.undercloud.instances.list_instances", lambda _: [instance()])
    heat = FakeHeat("CREATE_IN_PROGRESS", [], [event(1, "CREATE_FAILED", physical)])
    [found] = stacks.events(heat, "overcloud", "")
    assert found.failed
    nova: Any = None
    assert deploy.explain(nova, heat, "overcloud", found).message == message


def test_a_long_silence_is_broken_by_what_is_awaited(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whether the server is still made or has not reported, and no word of what is done."""
    heat = FakeHeat("CREATE_IN_PROGRESS", [], [])
    listed = [
        SimpleNamespace(physical_resource_id="s1", resource_status="CREATE_COMPLETE"),
        SimpleNamespace(physical_resource_id="d1", resource_status="CREATE_IN_PROGRESS"),
        SimpleNamespace(physical_resource_id="", resource_status="CREATE_IN_PROGRESS"),
    ]
    news = [stacks.Event("e1", "server", "CREATE_COMPLETE", "", "s1")]
    monkeypatch.setattr("devtest.undercloud.instances.list_instances", lambda _: [instance()])
    monkeypatch.setattr(stacks, "compose", lambda *_: REQUEST)
    monkeypatch.setattr(stacks, "client", lambda _: heat)
    monkeypatch.setattr(stacks, "resources", lambda *_: listed)
    monkeypatch.setattr(stacks, "follow", lambda *_: iter([[], news, []]))
    moments = iter([0.0, 61.0, 100.0, 161.0])
    clock = SimpleNamespace(monotonic=lambda: next(moments))
    monkeypatch.setattr(deploy, "time", clock)
    nova: Any = None
    deploy.deploy(workspace, nova, "overcloud", Progress())
    assert capfd.readouterr().err.splitlines() == [
        "after 61 s: database-0 has not reported yet",
        "database-0 boots",
        "after 161 s: database-0 has not reported yet",
    ]


def deployed(workspace: Workspace, *members: Instance) -> verify.Deployed:
    nova: Any = None
    kinds = {each.name: "lxc" for each in members}
    return verify.Deployed(workspace, nova, "overcloud", frozenset({"nova"}), members, kinds)


def test_placement_is_judged_by_the_type(workspace: Workspace) -> None:
    verify.placed(deployed(workspace, instance()))
    for wrong in (instance(host="undercloud-kvm"), instance(status="ERROR"), instance(host="")):
        with pytest.raises(AltostratusError, match="not ACTIVE on a host"):
            verify.placed(deployed(workspace, wrong))


def test_a_failed_unit_is_named(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "running\n"
    monkeypatch.setattr("devtest.undercloud.instances.execute", lambda *_, **__: said)
    verify.running(deployed(workspace, instance()))
    said = "degraded\nmemcached.service loaded failed failed memcached daemon\n"
    with pytest.raises(AltostratusError, match=r"systemd is degraded; failed: memcached\.service"):
        verify.running(deployed(workspace, instance()))


def test_checks_follow_the_services(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    checks = [
        verify.Check(name, service, lambda _, name=name: ran.append(name))
        for name, service in (("all", ""), ("images", "glance"), ("servers", "nova"))
    ]
    monkeypatch.setattr(verify, "CHECKS", checks)
    assert verify.verify(deployed(workspace, instance()), Progress(quiet=True)) == ran
    assert ran == ["all", "servers"]
    with pytest.raises(AltostratusError, match="has no instance"):
        verify.verify(deployed(workspace), Progress(quiet=True))


def test_fingerprint_follows_every_input(tmp_path: Path) -> None:
    template, environment = tmp_path / "t.yaml", tmp_path / "e.yaml"
    template.write_text("heat_template_version: '2021-04-16'\n")
    environment.write_text("parameters: {A: one}\n")
    first = stacks.fingerprint(stacks.compose(template, [environment]))
    assert first == stacks.fingerprint(stacks.compose(template, [environment]))
    environment.write_text("parameters: {A: two}\n")
    assert first != stacks.fingerprint(stacks.compose(template, [environment]))


def test_later_environments_win(tmp_path: Path) -> None:
    template = tmp_path / "t.yaml"
    template.write_text("heat_template_version: '2021-04-16'\n")
    for name in ("one", "two"):
        (tmp_path / name).write_text(f"parameters: {{A: {name}}}\n")
    request = stacks.compose(template, [tmp_path / "one", tmp_path / "two"])
    assert request["environment"]["parameters"] == {"A": "two"}


def test_no_secret_is_among_the_files_of_the_stack(tmp_path: Path) -> None:
    """``openstack stack file list`` shows them, and Heat stores them as they are."""
    out = tmp_path / "overcloud"
    generate.generate(examples_path() / "overcloud-lxc.yaml", out)
    generated = Generated(out, "overcloud")
    merged = tmp_path / "heat-env.json"
    merged.write_text(json.dumps({"parameters": generated.secrets}))
    request = stacks.compose(generated.template, [generated.environment, merged])
    assert "environment_files" not in request
    assert request["environment"]["parameters"] == generated.secrets
    shown = json.dumps({key: one for key, one in request.items() if key != "environment"})
    assert not [one for one in generated.secrets.values() if one in shown]
    assert len(request["files"]) == 1
