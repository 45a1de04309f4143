# SPDX-License-Identifier: Apache-2.0
"""Nova's ports (``nova.network.model``, plain mappings) as interfaces of a container."""

from collections.abc import Iterable

from novadrivers.docker.commands import Interface
from novadrivers.shared.nova_types import VIF

DEVICE_LENGTH = 14
"""nova.network.model.NIC_NAME_LEN; Neutron's agents cut names the same way."""
DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


def device_name(vif: VIF) -> str:
    """Return the name of the port's network device on the node."""
    name: str = vif.get("devname") or f"tap{vif['id']}"[:DEVICE_LENGTH]
    return name


def interface(vif: VIF, name: str) -> Interface:
    """Return the port as the interface ``name`` of a container.

    Only eth0 gets a default route: of several, the last one would win.
    """
    addresses, routes = [], []
    for subnet in vif["network"]["subnets"]:
        length = str(subnet["cidr"]).partition("/")[2]
        addresses += [f"{ip['address']}/{length}" for ip in subnet["ips"]]
        gateway = (subnet.get("gateway") or {}).get("address")
        if gateway and name == "eth0":
            routes.append((DEFAULT_ROUTE[subnet["version"]], str(gateway)))
        routes += [
            (str(each["cidr"]), str(each["gateway"]["address"]))
            for each in subnet.get("routes") or ()
        ]
    return Interface(
        host_device=device_name(vif),
        name=name,
        mac=vif["address"].lower(),
        mtu=vif["network"]["meta"].get("mtu"),
        addresses=tuple(addresses),
        routes=tuple(routes),
    )


def name_servers(vifs: Iterable[VIF]) -> tuple[str, ...]:
    """Return the addresses of the ports' name servers, without duplicates."""
    found = [
        str(server["address"])
        for vif in vifs
        for subnet in vif["network"]["subnets"]
        for server in subnet.get("dns") or ()
    ]
    return tuple(dict.fromkeys(found))
