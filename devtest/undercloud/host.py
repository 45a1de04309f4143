# SPDX-License-Identifier: Apache-2.0
"""The host's networks that the undercloud needs, and that others may have."""

from ipaddress import IPv4Network
from pathlib import Path

from altostratus.errors import AltostratusError
from devtest.container import hostnet, owner, spec
from devtest.container.spec import Network

OTHER_NETWORKS = (
    "remove that route, or give this undercloud other networks: --undercloud FILE, "
    "--transfer-network CIDR (docs/devtest.md)"
)


def conflicts(network: IPv4Network, link: str) -> list[str]:
    """Return the host's routes, but those on our own ``link``, that overlap ``network``.

    Each names the state directory of the undercloud to which it belongs, if it does.
    """
    return [
        f"{route['dst']} on {route.get('dev', '?')}{_owner(route.get('dev', ''))}"
        for route in hostnet.routes()
        if route["dst"] != "default"
        and route.get("dev") != link
        and IPv4Network(route["dst"]).overlaps(network)
    ]


def _owner(link: str) -> str:
    for state in owner.below(Path("/")).values():
        path = state / "spec.json"
        if path.exists() and spec.load(path).network.link == link:
            return f" of the undercloud with its state in {state.parent}"
    return ""


def needed(network: Network) -> list[IPv4Network]:
    """Return the networks that the host gets a route to: the transfer network and those behind."""
    transfer = IPv4Network(network.host_address, strict=False)
    return [transfer, *(IPv4Network(route) for route in network.routes)]


def require_free(network: Network) -> None:
    """Raise AltostratusError if a route of the host overlaps one of the undercloud's networks."""
    found = [
        f"{each}: {', '.join(others)}"
        for each in needed(network)
        if (others := conflicts(each, network.link))
    ]
    if found:
        message = "the undercloud's networks overlap routes of this machine:\n  "
        raise AltostratusError(message + "\n  ".join(found), OTHER_NETWORKS)
