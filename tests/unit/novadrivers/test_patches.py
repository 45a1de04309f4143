# SPDX-License-Identifier: Apache-2.0
"""Only patches.install() changes Nova, and only what its table lists."""

import ast
import json
from types import ModuleType, SimpleNamespace
from typing import Any

import fakenova
import pytest
import surface
from oslo_config import cfg

RECORDS = {path.stem: json.loads(path.read_text()) for path in surface.RECORDS.glob("*.json")}


def neutron_api() -> Any:
    class API:
        def setup_instance_network_on_host(
            self, context: Any, instance: Any, host: str, migration: Any = None
        ) -> Any:
            """Nova's."""
            return context, instance, host, migration

    return API


def nova_service() -> Any:
    class Service:
        def __init__(self) -> None:
            self.calls: list[str] = []
            self.tg = SimpleNamespace(stop_timers=lambda: self.calls.append("stop_timers"))
            self.service_ref = SimpleNamespace(
                report_count=0, last_seen_up=None, save=lambda: self.calls.append("save")
            )

        def start(self) -> None:
            self.calls.append("start")

        def stop(self) -> None:
            self.calls.append("stop")

    return Service


@pytest.fixture
def conf() -> Any:
    options = cfg.ConfigOpts()
    options.register_opts([cfg.StrOpt("host", default="node-lxc")])
    options([])
    return options


@pytest.fixture
def nova(conf: Any) -> dict[str, dict[str, Any]]:
    return {
        "nova.conf": {"CONF": conf},
        "nova.network": {},
        "nova.network.neutron": {"API": neutron_api()},
        "nova.service": {"Service": nova_service()},
        "nova.virt": {"__path__": ["/nova/virt"]},
    }


@pytest.fixture
def patches(nova: Any, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    loaded: ModuleType = fakenova.load(monkeypatch, "patches", nova)
    return loaded


@pytest.fixture
def api(nova: Any) -> Any:
    return nova["nova.network.neutron"]["API"]()


def driver_class(patches: Any) -> Any:
    class ComputeDriver:
        def __init__(self, virtapi: Any) -> None:
            self.virtapi = virtapi

    class Driver(patches.network_agent.SharedAgentMixin, ComputeDriver):  # type: ignore[misc]
        pass

    return Driver


def test_importing_changes_nothing(patches: Any, nova: Any) -> None:
    for each in patches.PATCHES:
        method = getattr(nova[each.module][each.cls], each.method)
        assert not hasattr(method, "__wrapped__")
    assert nova["nova.virt"]["__path__"] == ["/nova/virt"]


def test_no_module_assigns_to_one_that_it_imports() -> None:
    """Neither at import nor in functions."""
    for path in surface.PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text())
        imported = {
            (alias.asname or alias.name).split(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                roots = {
                    ast.unparse(each).split(".")[0]
                    for each in targets
                    if isinstance(each, ast.Attribute)
                }
                assert not roots & imported, f"{path.name}:{node.lineno}"


def test_installing_changes_what_the_table_says_once(patches: Any, nova: Any) -> None:
    before = {
        (each.module, each.method): getattr(nova[each.module][each.cls], each.method)
        for each in patches.PATCHES
    }
    patches.install()
    patches.install()
    for each in patches.PATCHES:
        method = getattr(nova[each.module][each.cls], each.method)
        assert method.__wrapped__ is before[each.module, each.method]
        assert not hasattr(method.__wrapped__, "__wrapped__")
        assert each.reason
    assert nova["nova.virt"]["__path__"] == ["/nova/virt", str(patches.DRIVERS)]
    names = {path.stem for path in patches.DRIVERS.glob("[!_]*.py")}
    assert names == {"baremetal", "docker", "kvm", "lxc", "sharedfake"}


@pytest.mark.parametrize("release", sorted(RECORDS))
def test_every_release_has_what_is_changed(patches: Any, release: str) -> None:
    changed = RECORDS[release]["changed"]
    for each in patches.PATCHES:
        assert each.method in changed[f"{each.module}.{each.cls}"]


def test_ports_are_bound_to_the_agents_host(patches: Any, api: Any, conf: Any) -> None:
    patches.install()
    call = api.setup_instance_network_on_host
    assert call("context", "instance", "node-lxc") == ("context", "instance", "node-lxc", None)
    conf.set_override("agent_host", "node", "sharedagent")
    assert call("context", "instance", "node-lxc", migration=1) == (
        "context",
        "instance",
        "node",
        1,
    )
    # The other end of a migration.
    assert call("context", "instance", "other") == ("context", "instance", "other", None)


def test_a_service_reports_when_it_comes_and_goes(patches: Any, nova: Any) -> None:
    patches.install()
    service = nova["nova.service"]["Service"]()
    service.start()
    assert service.calls == ["start", "save"]
    assert service.service_ref.report_count == 1
    service.stop()
    assert service.calls == ["start", "save", "stop_timers", "save", "stop"]
    assert service.service_ref.last_seen_up.year == 1970


def test_a_driver_names_the_agents_host(patches: Any, conf: Any) -> None:
    patches.install()
    driver, instance = driver_class(patches)("virtapi"), SimpleNamespace(host="node-lxc")
    assert driver.virtapi == "virtapi"
    assert driver.network_binding_host_id(None, instance) == "node-lxc"
    assert not driver.manages_network_binding_host_id()
    conf.set_override("agent_host", "node", "sharedagent")
    assert driver.network_binding_host_id(None, instance) == "node"
    assert driver.manages_network_binding_host_id()


def test_without_the_start_script_a_driver_works_but_for_a_shared_agent(
    patches: Any, conf: Any
) -> None:
    driver = driver_class(patches)
    assert driver("virtapi").network_binding_host_id(None, SimpleNamespace(host="h")) == "h"
    conf.set_override("agent_host", "node", "sharedagent")
    with pytest.raises(RuntimeError, match="start nova-compute with altostratus-nova-compute"):
        driver("virtapi")


START_SCRIPTS = (
    "novadrivers/compute.py",
    "elements/nova-fake/static/usr/local/lib/altostratus/nova-fakes.py",
)


@pytest.mark.parametrize("script", START_SCRIPTS)
def test_start_scripts_import_nova_cmd_before_other_modules_of_nova(script: str) -> None:
    """It patches the standard library."""
    tree = ast.parse((surface.PACKAGE.parent / script).read_text())
    imports = [each for each in ast.walk(tree) if isinstance(each, ast.Import | ast.ImportFrom)]
    names = [
        each.module or "" if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in sorted(imports, key=lambda each: each.lineno)
    ]
    first = next(name for name in names if name.split(".")[0] in ("nova", "novadrivers", "kombu"))
    assert first == "nova.cmd"
    assert "patches.install()" in ast.unparse(tree)
