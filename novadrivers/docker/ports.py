# SPDX-License-Identifier: Apache-2.0
"""Nova's network model (``nova.network.model``, plain mappings) as interfaces of a container."""

from collections.abc import Iterable, Mapping
from typing import Any

from novadrivers.docker.commands import Interface

DEVICE_LENGTH = 14
"""nova.network.model.NIC_NAME_LEN; Neutron's agents cut names the same way."""
ANYWHERE = {4: "0.0.0.0/0", 6: "::/0"}


def device(vif: Mapping[str, Any]) -> str:
    """Return the name of the port's network device outside of the container."""
    name: str = vif.get("devname") or f"tap{vif['id']}"[:DEVICE_LENGTH]
    return name


def interface(vif: Mapping[str, Any], name: str) -> Interface:
    """Return the port as the interface ``name`` of a container.

    Only eth0 gets the default route: with several the last one would win.
    """
    addresses, routes = [], []
    for subnet in vif["network"]["subnets"]:
        length = str(subnet["cidr"]).partition("/")[2]
        addresses += [f"{ip['address']}/{length}" for ip in subnet["ips"]]
        gateway = (subnet.get("gateway") or {}).get("address")
        if gateway and name == "eth0":
            routes.append((ANYWHERE[subnet["version"]], str(gateway)))
        routes += [
            (str(each["cidr"]), str(each["gateway"]["address"]))
            for each in subnet.get("routes") or ()
        ]
    return Interface(
        host_device=device(vif),
        name=name,
        mac=vif["address"].lower(),
        mtu=vif["network"]["meta"].get("mtu"),
        addresses=tuple(addresses),
        routes=tuple(routes),
    )


def name_servers(vifs: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the addresses of the ports' name servers, each once."""
    found = [
        str(server["address"])
        for vif in vifs
        for subnet in vif["network"]["subnets"]
        for server in subnet.get("dns") or ()
    ]
    return tuple(dict.fromkeys(found))
