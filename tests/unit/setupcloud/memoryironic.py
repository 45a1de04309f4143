# SPDX-License-Identifier: Apache-2.0
"""An Ironic in memory, nodes of three drivers, and what registers them in it."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import openstack.exceptions

from altostratus.console import Progress
from setupcloud import available, baremetal
from setupcloud.available import Outcome
from setupcloud.baremetal import Boot

REDFISH: dict[str, Any] = {
    "name": "bm-0",
    "pm_type": "redfish",
    "pm_addr": "http://127.0.0.1:8801",
    "pm_system_id": "/redfish/v1/Systems/one",
    "pm_user": "admin",
    "pm_password": "very secret",
    "mac": ["52:54:00:AA:00:01"],
    "cpu": 2,
    "memory": 1024,
    "disk": 8,
    "arch": "x86_64",
    "capabilities": "boot_mode:bios",
}
# As TripleO wrote it: numbers in quotes, no name, the older word for the driver.
IPMI: dict[str, Any] = {
    "pm_type": "pxe_ipmitool",
    "pm_addr": "10.0.0.7",
    "pm_port": "6230",
    "pm_user": "root",
    "pm_password": "calvin",
    "mac": ["52:54:00:aa:00:02", "52:54:00:aa:00:03"],
    "cpu": "8",
    "memory": "16384",
    "disk": "100",
    "arch": "x86_64",
}
FAKE: dict[str, Any] = {"name": "f", "pm_type": "fake-hardware", "mac": ["52:54:00:aa:00:04"]}
BOOT = Boot("kernel-id", "ramdisk-id")
LOCKED = openstack.exceptions.ConflictException("Node n0 is locked by host x", http_status=409)


class Resource(SimpleNamespace):
    """A thing of the SDK: attributes, also as items."""

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)


class Ironic:
    """The part of the SDK's baremetal proxy that is used, with Ironic's own behaviour."""

    def __init__(self) -> None:
        self.all_nodes: dict[str, Resource] = {}
        self.all_ports: list[Resource] = []
        self.calls: list[str] = []
        self.broken: set[str] = set()
        self.refused: dict[str, BaseException] = {}
        """What a call raises."""

    def nodes(self, details: bool) -> Iterator[Resource]:
        return iter([self._shown(one) for one in self.all_nodes.values()])

    def ports(self, details: bool) -> Iterator[Resource]:
        return iter(self.all_ports)

    def get_node(self, node_id: str) -> Resource:
        return self._shown(self.all_nodes[node_id])

    def _shown(self, node: Resource) -> Resource:
        info = {k: "******" if "password" in k else v for k, v in node.driver_info.items()}
        return Resource(**{**vars(node), "driver_info": info})

    def create_node(self, **attributes: Any) -> Resource:
        self.calls.append(f"create_node {attributes.get('name')}")
        defaults = {
            **{f"{name}_interface": None for name in ("boot", "deploy", "power", "management")},
            "network_interface": "flat",
            "name": None,
            "provision_state": "enroll",
            "power_state": None,
            "instance_id": None,
            "allocation_id": None,
            "is_maintenance": False,
            "maintenance_reason": None,
            "fault": None,
            "is_retired": False,
            "last_error": None,
        }
        identity = f"n{len(self.all_nodes)}"
        node = Resource(id=identity, **{**defaults, **attributes})
        self.all_nodes[identity] = node
        return node

    def patch_node(self, node_id: str, patch: list[dict[str, Any]]) -> None:
        self.refuse(f"patch_node {' '.join(item['path'] for item in patch)}")
        node = vars(self.all_nodes[node_id])
        for item in patch:
            *parents, leaf = item["path"].strip("/").split("/")
            target = node
            for parent in parents:
                target = target[parent]
            target[leaf] = item["value"]

    def refuse(self, call: str) -> None:
        self.calls.append(call)
        if error := self.refused.get(call):
            raise error

    def delete_node(self, node_id: str) -> None:
        self.refuse(f"delete_node {node_id}")
        del self.all_nodes[node_id]
        self.all_ports = [one for one in self.all_ports if one.node_id != node_id]

    def unset_node_maintenance(self, node_id: str) -> None:
        self.refuse(f"unset_node_maintenance {node_id}")
        self.all_nodes[node_id].is_maintenance = False

    def create_port(self, **attributes: Any) -> None:
        self.refuse(f"create_port {attributes['address']}")
        self.all_ports.append(Resource(**attributes))

    def set_node_provision_state(self, node_id: str, verb: str) -> None:
        self.refuse(f"{verb} {node_id}")
        node = self.all_nodes[node_id]
        if node_id in self.broken:
            node.last_error = "cannot reach the controller"
            return
        reached = {"manage": "manageable", "provide": "available", "deleted": "available"}
        node.provision_state = reached[verb]
        if node.driver != "fake-hardware":
            node.power_state = "power off"

    def wait_for_nodes_provision_state(
        self, moving: list[str], state: str, timeout: float, fail: bool
    ) -> Resource:
        found = [self.get_node(one) for one in moving]
        right = [one for one in found if one.provision_state == state]
        wrong = [one for one in found if one.provision_state != state]
        return Resource(success=right, failure=wrong, timeout=[])

    def set_node_power_state(self, node_id: str, target: str) -> None:
        self.refuse(f"{target} {node_id}")
        self.all_nodes[node_id].power_state = target


def register(ironic: Ironic, *wanted: dict[str, Any], boot: Boot = BOOT) -> list[str]:
    """Bring the nodes about; return what was said of each."""
    said = []
    for change in baremetal.plan(ironic, wanted, boot):
        baremetal.apply(ironic, change)
        said.append(f"{change.kind} {change.label}")
    return said


def make_available(ironic: Ironic) -> dict[str, Outcome]:
    names = {node.id: str(node.name) for node in ironic.all_nodes.values()}
    return available.make_available(ironic, names, 10, Progress())
