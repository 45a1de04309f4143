# SPDX-License-Identifier: Apache-2.0
"""What the libvirt drivers add to Nova's: retries, and what containers need."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import fakenova
import pytest
from oslo_config import cfg
from test_retry import Clock

from novadrivers.libvirt import orphans
from novadrivers.shared import guest_ended, retry
from novadrivers.shared.capabilities import HARMFUL

UNAVAILABLE = fakenova.EXCEPTION["HypervisorUnavailable"]
VIF = {"id": "port-1", "devname": "tap1", "active": False}
ACTIVE_VIF = {"id": "port-2", "devname": "tap2", "active": True}


class LibvirtError(Exception):
    """libvirt.libvirtError."""

    def __init__(self, code: int, domain: int) -> None:
        super().__init__(f"code {code}, domain {domain}")
        self.code, self.domain = code, domain

    def get_error_code(self) -> int:
        return self.code

    def get_error_domain(self) -> int:
        return self.domain


LIBVIRT = {
    "libvirtError": LibvirtError,
    "VIR_ERR_SYSTEM_ERROR": 38,
    "VIR_ERR_INTERNAL_ERROR": 1,
    "VIR_FROM_REMOTE": 13,
    "VIR_FROM_RPC": 7,
}


RUNNING, SHUTDOWN = 1, 4
"""Of nova.compute.power_state."""


class Nodes(list[Any]):
    """The XML element that an Element makes."""

    def __init__(self) -> None:
        super().__init__()
        self.attributes: dict[str, str] = {}

    def set(self, name: str, value: str) -> None:
        self.attributes[name] = value


class Element:
    """An XML element of nova.virt.libvirt.config."""

    def __init__(self, name: str = "filesystem") -> None:
        self.name, self.nodes = name, Nodes()

    def format_dom(self) -> Nodes:
        return self.nodes

    def _text_node(self, name: str, value: str, **attributes: str) -> Any:
        return (name, value, attributes)


class VifDriver:
    """nova.virt.libvirt.vif.LibvirtGenericVIFDriver."""

    def __init__(self, host: Any) -> None:
        self.plugged: list[Any] = []

    def plug(self, instance: Any, vif: Any) -> None:
        self.plugged.append(vif)

    def get_config(self, instance: Any, vif: Any, *more: Any) -> Any:
        return (vif, *more)

    def get_vif_devname(self, vif: Any) -> str:
        return str(vif["devname"])


class NovaDriver:
    """nova.virt.libvirt.driver.LibvirtDriver; its calls raise ``errors`` one after another."""

    def __init__(self, virtapi: Any, read_only: bool) -> None:
        self.virtapi = virtapi
        self._host = SimpleNamespace(get_connection=lambda: self._call("get_connection"))
        self.calls: list[Any] = []
        self.errors: list[Exception] = []
        self.states: list[int] = []
        self.connected = threading.Event()

    def _call(self, *call: Any) -> Any:
        self.calls.append(call)
        if self.errors:
            raise self.errors.pop(0)
        self.connected.set()
        return call

    def init_host(self, host: str) -> None:
        self._call("init_host", host)

    def instance_exists(self, instance: Any) -> bool:
        return True

    def power_off(self, instance: Any) -> None:
        self._call("power_off", instance.uuid)

    def destroy(self, *arguments: Any, **named: Any) -> None:
        self._call("destroy", *arguments)

    def get_info(self, *arguments: Any) -> Any:
        self._call("get_info", *arguments)
        state = self.states.pop(0) if self.states else RUNNING
        return SimpleNamespace(state=state, internal_id=42)

    def get_available_nodes(self) -> Any:
        return self._call("get_available_nodes")

    def update_provider_tree(self, *arguments: Any) -> None:
        self._call("update_provider_tree", *arguments)

    def _handle_conn_event(self, enabled: bool, reason: Any) -> None:
        self.calls.append(("event", enabled))

    def _update_compute_provider_status(self, *arguments: Any) -> None:
        self._call("status", *arguments)

    def get_available_resource(self, nodename: str) -> Any:
        return {"supported_instances": [["x86_64", "qemu", "hvm"]]}

    def _get_guest_config(self, *arguments: Any, **named: Any) -> Any:
        devices: list[Any] = []
        return SimpleNamespace(features=[], devices=devices, add_device=devices.append)

    def _build_device_metadata(self, context: Any, instance: Any) -> Any:
        return "devices"

    def _create_guest(self, *arguments: Any, **named: Any) -> Any:
        return self._call("_create_guest", *arguments)

    def _create_guest_with_network(self, *arguments: Any, **named: Any) -> Any:
        self.calls.append(("create", *arguments, named))
        return "guest"

    def _destroy(self, instance: Any) -> None:
        self.calls.append(("_destroy", instance.uuid))

    def delete_instance_files(self, instance: Any) -> bool:
        self.calls.append(("delete_instance_files", instance.uuid))
        return True


class VirtApi:
    def __init__(self, driver: Any) -> None:
        self.driver = driver

    @contextlib.contextmanager
    def wait_for_instance_event(
        self, instance: Any, events: Any, timeout: int, failed: Any
    ) -> Iterator[None]:
        yield
        self.driver.calls.append(("waited", events, timeout))


class Nova:
    """Fake modules of Nova, and a record of how the drivers use them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
        self.monkeypatch = monkeypatch
        self.directory = directory
        self.locks: list[Any] = []
        self.written: list[Any] = []
        self.instances: list[Any] = []
        self.conf = cfg.ConfigOpts()
        self.conf.register_opts(
            [
                cfg.StrOpt("host", default="node-lxc"),
                cfg.IntOpt("vif_plugging_timeout", default=300),
                cfg.BoolOpt("vif_plugging_is_fatal", default=True),
            ]
        )
        self.conf.register_opts([cfg.StrOpt("virt_type", default="qemu")], group="libvirt")
        self.conf([])

    def synchronized(self, name: str, fair: bool) -> Callable[[Any], Any]:
        self.locks.append((name, fair))
        return lambda method: method

    def contents(self) -> dict[str, Any]:
        class API:
            def setup_instance_network_on_host(self) -> None:
                pass

        config = {"LibvirtConfigGuestFeature": Element, "LibvirtConfigGuestFilesys": Element}
        by_host = SimpleNamespace(get_by_host=lambda context, host: self.instances)
        return {
            "libvirt": LIBVIRT,
            "nova.conf": {"CONF": self.conf},
            "nova.context": {"get_admin_context": lambda: "admin"},
            "nova.objects": {"InstanceList": by_host},
            "nova.utils": {"synchronized": self.synchronized},
            "nova.exception": {**fakenova.EXCEPTION, "InstanceEventTimeout": TimeoutError},
            "nova.api": {},
            "nova.api.metadata": {},
            "nova.api.metadata.base": {},
            "nova.compute": {},
            "nova.compute.power_state": {"SHUTDOWN": SHUTDOWN, "RUNNING": RUNNING},
            "nova.compute.resource_tracker": {"COMPUTE_RESOURCE_SEMAPHORE": "compute_resources"},
            "nova.network": {},
            "nova.network.neutron": {"API": API},
            "nova.privsep": {},
            "nova.privsep.fs": {},
            "nova.virt": {},
            "nova.virt.configdrive": {"required_by": lambda instance: instance.has_drive},
            "nova.virt.disk": {},
            "nova.virt.disk.api": {},
            "nova.virt.libvirt": {},
            "nova.virt.libvirt.config": config,
            "nova.virt.libvirt.driver": {"LibvirtDriver": NovaDriver},
            "nova.virt.libvirt.utils": {
                "get_instance_path": lambda instance: str(self.directory / instance.uuid)
            },
            "nova.virt.libvirt.vif": {"LibvirtGenericVIFDriver": VifDriver},
            "oslo_log": {},
            "oslo_log.log": {"getLogger": lambda name: None},
        }

    def load(self, name: str) -> Any:
        return fakenova.load(self.monkeypatch, f"libvirt.{name}", self.contents())


@pytest.fixture
def nova(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Nova:
    return Nova(monkeypatch, tmp_path)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(retry, "time", fake)
    monkeypatch.setattr(guest_ended, "time", fake)
    return fake


@pytest.fixture(autouse=True)
def forgotten(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The domains whose control groups were removed; empty for all."""
    names: list[str] = []
    monkeypatch.setattr(orphans, "forget_cgroups", lambda name="": names.append(name))
    return names


def instance(uuid: str = "u1", **more: Any) -> Any:
    fields = {"vm_state": "active", "task_state": None, "has_drive": True}
    return SimpleNamespace(uuid=uuid, name=f"instance-{uuid}", **fields | more)


# driver.py


def test_libvirt_adds_ports_to_open_vswitch(nova: Nova) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    driver.vif_driver.plug(instance(), VIF)
    assert driver.vif_driver.plugged == [{**VIF, "delegate_create": False}]
    config = driver.vif_driver.get_config(instance(), VIF, "meta")
    assert config == ({**VIF, "delegate_create": False}, "meta")
    assert "delegate_create" not in VIF


@pytest.mark.parametrize(
    "error",
    [
        UNAVAILABLE("no libvirtd"),
        fakenova.EXCEPTION["InternalError"]("it went away"),
        LibvirtError(38, 7),
        LibvirtError(1, 13),
    ],
)
@pytest.mark.parametrize(
    "method", ["destroy", "get_info", "get_available_nodes", "update_provider_tree"]
)
def test_calls_wait_for_libvirtd(nova: Nova, method: str, error: Exception) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    driver.errors = [error, error]
    arguments = [instance()] if method == "get_info" else []
    getattr(driver, method)(*arguments)
    assert driver.calls == [(method, *arguments)] * 3


@pytest.mark.parametrize("error", [LibvirtError(38, 10), LibvirtError(42, 7), ValueError()])
def test_other_errors_are_raised_at_once(nova: Nova, clock: Clock, error: Exception) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    driver.errors = [error]
    with pytest.raises(type(error)):
        driver.destroy()
    assert clock.now == 0


def test_interrupted_builds_are_stopped(nova: Nova) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    nova.instances = [instance("u1", vm_state="building"), instance("u2")]
    driver.init_host("node-lxc")
    assert driver.calls == [("init_host", "node-lxc"), ("power_off", "u1")]


@pytest.mark.parametrize("written", [b"no space left\r\n", None])
def test_a_guest_that_ended_ends_novas_wait(nova: Nova, written: bytes | None) -> None:
    driver, one = nova.load("driver").LibvirtDriver("virtapi"), instance()
    if written:
        (nova.directory / "u1").mkdir()
        (nova.directory / "u1/console.log").write_bytes(written)
    driver._create_guest_with_network("context", "<xml/>", one, [])
    driver.states = [SHUTDOWN, SHUTDOWN]
    with pytest.raises(fakenova.NovaException) as caught:
        driver.get_info(one)
    assert str(caught.value) == guest_ended.message(written or b"")
    # From now on it is a guest that is down.
    assert driver.get_info(one).state == SHUTDOWN


@pytest.mark.parametrize(
    ("named", "states"),
    [({"power_on": False}, [SHUTDOWN]), ({}, [RUNNING, SHUTDOWN]), ({}, [0, SHUTDOWN])],
)
def test_a_guest_that_ran_may_be_down(nova: Nova, named: Any, states: list[int]) -> None:
    driver, one = nova.load("driver").LibvirtDriver("virtapi"), instance()
    driver._create_guest_with_network("context", "<xml/>", one, [], **named)
    driver.states = [*states]
    assert [driver.get_info(one).state for _ in states] == states


def test_it_reconnects_when_libvirtd_went_away(nova: Nova) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    driver.errors = [UNAVAILABLE("not yet")]
    driver._handle_conn_event(False, "closed")
    assert driver.connected.wait(10)
    assert driver.calls == [("event", False), ("get_connection",), ("get_connection",)]
    driver.calls.clear()
    driver._handle_conn_event(True, None)
    assert driver.calls == [("event", True)]


def test_placement_is_updated_under_the_resource_trackers_lock(nova: Nova) -> None:
    driver = nova.load("driver").LibvirtDriver("virtapi")
    driver._update_compute_provider_status("context", "service")
    assert driver.calls == [("status", "context", "service")]
    assert nova.locks == [("compute_resources", True)]


# kvm.py


@pytest.mark.parametrize(("virt_type", "kinds"), [("qemu", ["qemu", "kvm"]), ("kvm", ["qemu"])])
def test_images_of_type_kvm_match_a_node_that_emulates(
    nova: Nova, virt_type: str, kinds: list[str]
) -> None:
    nova.conf.set_override("virt_type", virt_type, "libvirt")
    found = nova.load("kvm").KvmDriver("virtapi").get_available_resource("node")
    assert [each[1] for each in found["supported_instances"]] == kinds


@pytest.mark.parametrize(
    ("virt_type", "limit", "is_novas", "is_set"),
    [
        ("qemu", 128, False, True),
        ("qemu", 0, False, False),
        ("kvm", 128, False, False),
        # Nova 2023.1 and later does it.
        ("qemu", 128, True, False),
    ],
)
def test_translated_code_is_limited_once(
    nova: Nova, virt_type: str, limit: int, is_novas: bool, is_set: bool
) -> None:
    if is_novas:
        nova.conf.register_opt(cfg.IntOpt("tb_cache_size", min=0, help="Nova's"), group="libvirt")
    nova.conf.set_override("virt_type", virt_type, "libvirt")
    driver = nova.load("kvm").KvmDriver("virtapi")
    nova.conf.set_override("tb_cache_size", limit, "libvirt")
    features = driver._get_guest_config(instance()).features
    assert [each.name for each in features] == ["tcg"] * is_set
    if is_set:
        assert features[0].format_dom() == [("tb-cache", "128", {"unit": "MiB"})]


# lxc.py


@pytest.fixture
def lxc(nova: Nova, monkeypatch: pytest.MonkeyPatch) -> Any:
    return nova.load("lxc")


@pytest.fixture
def driver(lxc: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = lxc.LxcDriver("virtapi")
    made.virtapi = VirtApi(made)

    def execute(*command: str, **options: Any) -> tuple[str, str]:
        made.calls.append(command)
        return "/dev/loop7\n", ""

    monkeypatch.setattr(lxc, "processutils", SimpleNamespace(execute=execute))
    monkeypatch.setattr(orphans, "has_child", lambda pid: pid == 42)
    return made


def test_a_container_may_not_do_what_harms_the_node(driver: Any) -> None:
    network, capabilities = driver._get_guest_config(instance(has_drive=False)).features
    assert (network.name, capabilities.name) == ("privnet", "capabilities")
    element = capabilities.format_dom()
    assert element.attributes == {"policy": "default"}
    assert element == [(name, "", {"state": "off"}) for name in HARMFUL]
    assert set(HARMFUL) >= {"dac_read_search", "sys_rawio", "sys_boot", "syslog", "sys_ptrace"}


def test_a_container_that_ends_at_once_is_reported_before_neutron_is(
    driver: Any, clock: Clock
) -> None:
    driver.states = [RUNNING, RUNNING, SHUTDOWN]
    with pytest.raises(fakenova.NovaException, match="ended at once"):
        driver._create_guest_with_network("context", "<xml/>", instance(), [VIF])
    assert clock.now < 1
    assert "waited" not in [call[0] for call in driver.calls]


def test_a_container_without_its_init_is_down(driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orphans, "has_child", lambda pid: False)
    with pytest.raises(fakenova.NovaException, match="ended at once"):
        driver._create_guest_with_network("context", "<xml/>", instance(), [VIF])


def console_grows(log: Path, text: bytes) -> Any:
    """An error of libvirt's that comes after the guest's words."""

    class Ended(Exception):
        def __init__(self) -> None:
            super().__init__("cannot connect to the controller")
            with log.open("ab") as file:
                file.write(text)

    return Ended


@pytest.mark.parametrize("said", [b"last words\n", b""])
def test_an_error_of_libvirt_says_what_the_container_said(
    driver: Any, nova: Nova, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    log = nova.directory / "u1/console.log"
    log.parent.mkdir()
    log.write_bytes(b"an earlier boot\n")
    failure = console_grows(log, said)

    def fail(*call: Any) -> None:
        raise failure

    monkeypatch.setattr(driver, "_call", fail)
    expected = guest_ended.message(said) if said else "cannot connect to the controller"
    with pytest.raises((fakenova.NovaException, failure)) as caught:
        driver._create_guest("context", "<xml/>", instance())
    assert str(caught.value) == expected


@pytest.mark.parametrize("has_drive", [True, False])
def test_a_config_drive_is_a_directory_that_the_container_mounts(
    lxc: Any, driver: Any, nova: Nova, monkeypatch: pytest.MonkeyPatch, has_drive: bool
) -> None:
    written: list[Any] = []
    monkeypatch.setattr(lxc.config_drive, "write", lambda *arguments: written.append(arguments))
    one = instance(has_drive=has_drive)
    injected = SimpleNamespace(files=["f"], admin_pass="p", network_info=["v"])
    driver._create_configdrive("context", one, injected)
    path = nova.directory / "u1/config-drive"
    assert written == [(path, one, ["f"], "p", ["v"])] * has_drive
    assert one.device_metadata == "devices"
    devices = driver._get_guest_config(one, "more").devices
    assert len(devices) == has_drive
    for device in devices:
        assert (device.source_dir, device.target_dir) == (str(path), lxc.CLOUD_INIT_SEED)
        assert device.format_dom() == [("readonly", "", {})]


def test_a_container_has_no_carrier_until_neutron_is_ready(driver: Any) -> None:
    one, network = instance(), [VIF, ACTIVE_VIF]
    guest = driver._create_guest_with_network("context", "<xml/>", one, network, "disks", extra=1)
    assert guest == "guest"
    created = {"power_on": True, "vifs_already_plugged": False, "extra": 1}
    assert [call for call in driver.calls if call[0] != "get_info"] == [
        ("create", "context", "<xml/>", one, network, "disks", created),
        ("ip", "link", "set", "dev", "tap1", "down"),
        ("waited", [("network-vif-plugged", "port-1")], 300),
        ("ip", "link", "set", "dev", "tap1", "up"),
    ]


@pytest.mark.parametrize("named", [{"power_on": False}, {"vifs_already_plugged": True}])
def test_nothing_is_waited_for_where_nova_does_not(driver: Any, named: dict[str, bool]) -> None:
    driver._create_guest_with_network("context", "<xml/>", instance(), [VIF], **named)
    assert [call[0] for call in driver.calls] == ["create", "waited"]
    assert driver.calls[0][-1] == {"power_on": True, "vifs_already_plugged": False} | named
    assert driver.calls[1][1] == []


def test_what_libvirt_forgot_is_removed(
    driver: Any, forgotten: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "kill", lambda uuid: driver.calls.append(("kill", uuid)))
    driver._destroy(instance())
    assert driver.calls == [("_destroy", "u1"), ("kill", "u1")]
    assert forgotten == ["instance-u1"]


def test_what_ended_while_nova_was_away_is_forgotten(driver: Any, forgotten: list[str]) -> None:
    driver.init_host("node-lxc")
    assert forgotten == [""]


@pytest.mark.parametrize("is_mounted", [True, False])
def test_a_delete_unmounts_and_detaches(
    lxc: Any, driver: Any, nova: Nova, monkeypatch: pytest.MonkeyPatch, is_mounted: bool
) -> None:
    (nova.directory / "u1/rootfs").mkdir(parents=True)
    disk = nova.directory / "u1/disk"
    disk.touch()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "rootfs" and is_mounted)
    for module, name in ((lxc.disk_api, "teardown_container"), (lxc.fs, "loopremove")):
        record = lambda *arguments, _name=name, **named: driver.calls.append(  # noqa: E731
            (_name, *arguments, *named.values())
        )
        monkeypatch.setattr(module, name, record, raising=False)
    assert driver.delete_instance_files(instance()) is True
    unmounted = ("teardown_container", str(nova.directory / "u1/rootfs"))
    assert driver.calls == [
        *[unmounted] * is_mounted,
        ("losetup", "--noheadings", "--output=NAME", "-j", str(disk)),
        ("loopremove", "/dev/loop7"),
        ("delete_instance_files", "u1"),
    ]


def test_a_delete_without_a_disk_detaches_nothing(driver: Any) -> None:
    driver.delete_instance_files(instance("gone"))
    assert driver.calls == [("delete_instance_files", "gone")]
