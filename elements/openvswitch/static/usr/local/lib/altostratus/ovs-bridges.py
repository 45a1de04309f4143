#!/usr/bin/python3 -I
# SPDX-License-Identifier: Apache-2.0
"""ovs-bridges.py FILE: create bridges to the physical networks, with addresses and routing.

FILE is JSON: {"datapath_type": "auto|system|netdev", "bridges": [{"name", "address"?, "ports"?}],
"masquerade": "INTERFACE or empty"}. A bridge without an address takes over those of its ports.
Running it again changes nothing.
"""

import ipaddress
import json
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def run(*argv: str) -> None:
    """Run a command; raises CalledProcessError if it fails."""
    subprocess.run(argv, check=True)


def kernel_has_datapath() -> bool:
    """Return whether the kernel has Open vSwitch's datapath, perhaps as a module to load."""
    if not Path("/sys/module/openvswitch").is_dir():
        loaded = subprocess.run(["modprobe", "openvswitch"], capture_output=True, check=False)
        return loaded.returncode == 0
    return True


def make_bridge(bridge: Mapping[str, Any], datapath: str) -> None:
    """Create one bridge with its ports and the node's address on it."""
    name: str = bridge["name"]
    run(
        "ovs-vsctl",
        "--may-exist",
        "add-br",
        name,
        "--",
        "set",
        "bridge",
        name,
        f"datapath_type={datapath}",
    )
    for port in bridge.get("ports", []):
        run("ovs-vsctl", "--may-exist", "add-port", name, port)
        run("ip", "link", "set", port, "up")
    run("ip", "link", "set", name, "up")
    if bridge.get("address"):
        run("ip", "address", "replace", bridge["address"], "dev", name)
    else:
        for port in bridge.get("ports", []):
            take_over(name, port)


def take_over(bridge: str, port: str) -> None:
    """Move the IPv4 addresses and routes of a port to its bridge, which gets its packets now."""
    routes = shown("route", "show", "dev", port)
    for interface in shown("address", "show", "dev", port):
        for address in interface.get("addr_info", []):
            text = f"{address['local']}/{address['prefixlen']}"
            run("ip", "address", "replace", text, "dev", bridge)
            run("ip", "address", "delete", text, "dev", port)
    for route in routes:
        if "gateway" in route:
            run("ip", "route", "replace", route["dst"], "via", route["gateway"], "dev", bridge)


def shown(*words: str) -> list[dict[str, Any]]:
    """Return the parsed JSON output of ``ip -json -4 WORDS``."""
    command = ["ip", "-json", "-4", *words]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    parsed: list[dict[str, Any]] = json.loads(text or "[]")
    return parsed


def hide_behind(interface: str, networks: Iterable[Network]) -> None:
    """Enable routing, and masquerade ``networks`` behind the address of ``interface``."""
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1", encoding="ascii")
    for network in networks:
        rule = ["POSTROUTING", "-s", str(network), "-o", interface, "-j", "MASQUERADE"]
        known = subprocess.run(
            ["iptables", "-w", "-t", "nat", "-C", *rule], capture_output=True, check=False
        )
        if known.returncode:
            run("iptables", "-w", "-t", "nat", "-A", *rule)


def main(argv: list[str]) -> int:
    """Read FILE and do what it says."""
    wish = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    datapath = wish["datapath_type"]
    if datapath == "auto":
        datapath = "system" if kernel_has_datapath() else "netdev"
    for bridge in wish["bridges"]:
        make_bridge(bridge, datapath)
    if wish["masquerade"]:
        addresses = [bridge["address"] for bridge in wish["bridges"] if bridge.get("address")]
        hide_behind(wish["masquerade"], [ipaddress.ip_interface(one).network for one in addresses])
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(error.cmd)} failed with status {error.returncode}")
