# SPDX-License-Identifier: Apache-2.0
"""The container's network namespace and its link to the host or another container (iproute2).

What is set on the host: the named network namespace, one veth end with one address, routes through
it. Removing the namespace and the link removes all of it.
"""

import contextlib
import json
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from altostratus.process import CommandError, run
from devtest.container.spec import Network

NAMESPACES = Path("/run/netns")


def up(name: str, network: Network) -> None:
    """Make the namespace ``name``, the veth pair, addresses and routes; it must not exist yet."""
    run(["ip", "netns", "add", name])
    outside = _outside(network)
    pair = ["type", "veth", "peer", "name", "eth0", "netns", name]
    run([*outside, "link", "add", network.link, *pair])
    if not network.peer:
        run([*outside, "address", "add", network.host_address, "dev", network.link])
    run([*outside, "link", "set", network.link, "up"])
    inside = ["ip", "-n", name]
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "address", "add", network.address, "dev", "eth0"])
    run([*inside, "link", "set", "eth0", "up"])
    run([*inside, "route", "add", "default", "via", network.gateway])
    # The namespace routes between the host and the networks behind it.
    run(["ip", "netns", "exec", name, "sysctl", "-q", "-w", "net.ipv4.ip_forward=1"])
    for route in network.routes:
        run(["ip", "route", "add", route, "via", network.container, "dev", network.link])


def down(name: str, network: Network) -> None:
    """Remove what ``up`` made, as far as it is there. Processes in the namespace must be gone."""
    if name in namespaces():
        run(["ip", "netns", "delete", name])
        _forget_directory()
    # The pair goes with the namespace; only a half-made one is left alone at the other end.
    with contextlib.suppress(CommandError):
        run([*_outside(network), "link", "delete", network.link])


def _forget_directory() -> None:
    """Remove the directory of named namespaces where ours was the last one.

    ip-netns(8) makes a mount of it with the first one, anywhere on the machine, and leaves it.
    """
    if not any(NAMESPACES.iterdir()):
        with contextlib.suppress(CommandError, OSError):
            # Somebody may be making one just now: then it is busy.
            run(["umount", NAMESPACES])
            NAMESPACES.rmdir()


def _outside(network: Network) -> list[str]:
    return ["ip", "-n", network.peer] if network.peer else ["ip"]


def namespaces() -> list[str]:
    """Return the names of the host's network namespaces."""
    # No JSON at all without namespaces.
    return [entry["name"] for entry in json.loads(run(["ip", "-j", "netns"]).stdout or "[]")]


def pids(namespace: str) -> list[int]:
    """Return the processes in a named network namespace; none if there is no such namespace."""
    if namespace not in namespaces():
        return []
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace]).stdout.split()]


def links(namespace: str = "") -> list[str]:
    """Return the names of the network interfaces of the host, or of a named namespace."""
    where = ("-n", namespace) if namespace else ()
    return [entry["ifname"] for entry in _ip(*where, "link")]


def routes() -> list[dict[str, Any]]:
    """Return the host's IPv4 routes (``dst``, ``dev``, perhaps ``gateway``)."""
    return _ip("route")


def destinations(*without: str) -> list[IPv4Network]:
    """Return the networks of the host's IPv4 routes but the default one.

    Routes on the devices ``without`` do not count.
    """
    return [
        IPv4Network(route["dst"])
        for route in routes()
        if route["dst"] != "default" and route.get("dev") not in without
    ]


def addresses() -> dict[str, list[str]]:
    """Return for each interface its IPv4 addresses as ADDRESS/PREFIX."""
    return {
        entry["ifname"]: [f"{a['local']}/{a['prefixlen']}" for a in entry.get("addr_info", [])]
        for entry in _ip("-4", "address")
    }


def _ip(*words: str) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = json.loads(run(["ip", "-j", *words]).stdout or "[]")
    return shown
