# SPDX-License-Identifier: Apache-2.0
"""vlan-interfaces.py FILE: a tagged interface for each VLAN in the metadata in FILE.

Other hypervisor types give an instance a network interface for each network. A bare-metal node has
one link, which carries one network untagged and the others tagged with their VLAN ids. The metadata
key ``instance.vlans`` lists those::

    [{network: internal, vlan_id: 201, carrier: ctlplane, address: 172.16.2.10, prefix_length: 24}]

``carrier`` is the untagged network: the interface with this instance's address on it gets the VLAN.
``mtu`` (bytes), ``gateway``, ``routes`` ({destination, nexthop}) and ``dns`` are optional.

This program writes configuration of systemd-networkd, which makes the interfaces at the next boot
before this program runs. It deletes files and interfaces of VLANs that are no longer listed.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

UNITS = Path("/etc/systemd/network")
PREFIX = "60-vlan-interfaces-"
# Seconds.
TIMEOUT = 60
HEADER = "# Written by vlan-interfaces from the metadata.\n"
# As in the element instance-base.
NO_IPV6 = "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"


Result = TypeVar("Result")
Tree = Mapping[str, Any]
"""A mapping of the metadata, or of the output of ip(8)."""


class Failure(Exception):
    """A problem with the metadata or the machine, for the report."""


def vlan_name(vlan: Tree) -> str:
    """Return the interface's name."""
    return f"vlan{vlan['vlan_id']}"


def carriers(instance: Tree, links: Sequence[Tree]) -> dict[str, Tree]:
    """Return the interface of each carrying network, by network.

    ``links`` is the output of ``ip -json address``. Raises Failure if an interface is missing.
    """
    found = {}
    for network in {vlan["carrier"] for vlan in instance["vlans"]}:
        address = instance["addresses"][network]
        owners = [link for link in links if address in addresses(link)]
        if not owners:
            raise Failure(f"no interface has the address {address} on {network}")
        found[network] = owners[0]
    return found


def addresses(link: Tree) -> list[str]:
    """Return the IPv4 addresses of an interface of ``ip -json address``."""
    return [one["local"] for one in link.get("addr_info", ()) if one["family"] == "inet"]


def units(instance: Tree, found: Mapping[str, Tree]) -> dict[str, str]:
    """Return systemd-networkd's files by name; ``found`` is the result of ``carriers``."""
    files: dict[str, str] = {}
    for vlan in instance["vlans"]:
        name = f"{PREFIX}{vlan_name(vlan)}"
        files[f"{name}.netdev"] = device(vlan)
        files[f"{name}.network"] = network(vlan)
    for carrier, link in found.items():
        vlans = [vlan for vlan in instance["vlans"] if vlan["carrier"] == carrier]
        files[f"{PREFIX}{carrier}.network"] = carrying(link, vlans)
    return files


def device(vlan: Tree) -> str:
    """Return the file that makes the interface of ``vlan``."""
    mtu = f"MTUBytes={vlan['mtu']}\n" if "mtu" in vlan else ""
    text = f"{HEADER}[NetDev]\nName={vlan_name(vlan)}\nKind=vlan\n{mtu}"
    return f"{text}\n[VLAN]\nId={vlan['vlan_id']}\n"


def network(vlan: Tree) -> str:
    """Return the file that gives the interface of ``vlan`` its address and its routes."""
    lines = [f"Address={vlan['address']}/{vlan['prefix_length']}"]
    lines += [f"DNS={server}" for server in vlan.get("dns", ())]
    text = f"{HEADER}[Match]\nName={vlan_name(vlan)}\n\n[Network]\n{NO_IPV6}"
    text += "".join(f"{line}\n" for line in lines)
    routes = [(route["destination"], route["nexthop"]) for route in vlan.get("routes", ())]
    if "gateway" in vlan:
        routes.append(("0.0.0.0/0", vlan["gateway"]))
    for destination, nexthop in routes:
        # The metric of interfaces other than the first, as in the element instance-base.
        text += f"\n[Route]\nDestination={destination}\nGateway={nexthop}\nMetric=200\n"
    return text


def carrying(link: Tree, vlans: Sequence[Tree]) -> str:
    """Return the file of the interface that carries ``vlans``: DHCP, as in instance-base."""
    # Type=ether because the tagged interfaces have the same MAC.
    text = f"{HEADER}[Match]\nMACAddress={link['address']}\nType=ether\n\n[Network]\nDHCP=ipv4\n"
    text += NO_IPV6 + "".join(f"VLAN={vlan_name(vlan)}\n" for vlan in vlans)
    return text + (
        "\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric=100\nUseDomains=no\nUseHostname=no\n"
        "UseMTU=yes\n"
    )


def write(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Sync our files (PREFIX) in ``folder`` with ``files``; return the names of changed files."""
    old = {path.name: path.read_text(encoding="utf-8") for path in folder.glob(f"{PREFIX}*")}
    for name in old.keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        if old.get(name) != text:
            new = folder / f".{name}.new"
            new.write_text(text, encoding="utf-8")
            new.rename(folder / name)
    return sorted(name for name in old.keys() | files.keys() if old.get(name) != files.get(name))


def links() -> list[Tree]:
    """Return the interfaces of this machine, as ip(8) describes them."""
    output = subprocess.run(["ip", "-json", "address"], stdout=subprocess.PIPE, check=True).stdout
    found: list[Tree] = json.loads(output)
    return found


def await_result(ask: Callable[[], Result], what: str) -> Result:
    """Return what ``ask`` returns as soon as it raises no Failure.

    Raises Failure with ``what`` after TIMEOUT.
    """
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask()
        except Failure as failure:
            if time.monotonic() > deadline:
                message = f"timed out after {TIMEOUT} s waiting for {what} ({failure})"
                raise Failure(message) from None
            time.sleep(1)


def check_addresses(instance: Tree) -> None:
    """Raise Failure unless this machine has all addresses of the VLANs and of their carriers."""
    there = {address for link in links() for address in addresses(link)}
    for vlan in instance["vlans"]:
        for address in (vlan["address"], instance["addresses"][vlan["carrier"]]):
            if address not in there:
                raise Failure(f"no interface has the address {address}")


def reload(changed: Sequence[str], wanted: Sequence[str]) -> None:
    """Make systemd-networkd read the ``changed`` files; print the ``wanted`` interfaces."""
    for name in changed:
        vlan = name.removeprefix(PREFIX).removesuffix(".netdev")
        if name.endswith(".netdev") and any(link["ifname"] == vlan for link in links()):
            # networkd neither changes nor removes existing devices.
            subprocess.run(["ip", "link", "delete", vlan], check=True)
    subprocess.run(["networkctl", "reload"], check=True)
    print("interfaces:", ", ".join(wanted) or "no VLAN", flush=True)


def main(argv: list[str]) -> int:
    """Configure the interfaces; return the exit status."""
    instance = json.loads(Path(argv[0]).read_text(encoding="utf-8"))["instance"]
    instance.setdefault("vlans", [])
    try:
        found = await_result(lambda: carriers(instance, links()), "the untagged network")
        changed = write(UNITS, units(instance, found))
        if changed:
            reload(changed, [vlan_name(vlan) for vlan in instance["vlans"]])
        await_result(lambda: check_addresses(instance), "the VLAN interfaces")
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
