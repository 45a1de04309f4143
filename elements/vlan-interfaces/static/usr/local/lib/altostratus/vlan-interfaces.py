# SPDX-License-Identifier: Apache-2.0
"""vlan-interfaces.py FILE: a tagged interface for each VLAN that the metadata in FILE describe.

Elsewhere the hypervisor gives an instance a network interface for each network. A machine has a
cable, which carries one network untagged and the others with their VLAN ids. The metadata key
``instance.vlans`` lists those::

    [{network: internal, vlan_id: 201, carrier: ctlplane, address: 172.16.2.10, prefix_length: 24}]

``carrier`` is the untagged network: the interface with this instance's address on it gets the
VLAN. ``mtu`` (bytes), ``gateway``, ``routes`` ({destination, nexthop}) and ``dns`` are optional.

It becomes systemd-networkd's configuration, so that the interfaces are there at the next boot
before this program is. Files and interfaces of VLANs that are no longer listed go.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

UNITS = Path("/etc/systemd/network")
PREFIX = "60-vlan-interfaces-"
# Seconds.
TIMEOUT = 60
HEADER = "# Written by vlan-interfaces from the metadata.\n"
# As instance-base has it.
NO_IPV6 = "LinkLocalAddressing=no\nIPv6AcceptRA=no\n"


class Failure(Exception):
    """What is wrong with the metadata or the machine, for the report."""


def vlan_name(vlan):
    """Return the interface's name."""
    return f"vlan{vlan['vlan_id']}"


def carriers(instance, links):
    """Return the interface of each carrying network: {network: link}.

    ``links`` is what ``ip -json address`` says. Raises Failure if one is not there.
    """
    found = {}
    for network in {vlan["carrier"] for vlan in instance["vlans"]}:
        address = instance["addresses"][network]
        owners = [link for link in links if address in addresses(link)]
        if not owners:
            raise Failure(f"no interface has the address {address} on {network}")
        found[network] = owners[0]
    return found


def addresses(link):
    """Return the IPv4 addresses of an interface of ``ip -json address``."""
    return [one["local"] for one in link.get("addr_info", ()) if one["family"] == "inet"]


def units(instance, found):
    """Return systemd-networkd's files by name; ``found`` is the result of ``carriers``."""
    files = {}
    for vlan in instance["vlans"]:
        name = f"{PREFIX}{vlan_name(vlan)}"
        files[f"{name}.netdev"] = device(vlan)
        files[f"{name}.network"] = network(vlan)
    for carrier, link in found.items():
        vlans = [vlan for vlan in instance["vlans"] if vlan["carrier"] == carrier]
        files[f"{PREFIX}{carrier}.network"] = carrying(link, vlans)
    return files


def device(vlan):
    """Return the file that makes the interface of ``vlan``."""
    mtu = f"MTUBytes={vlan['mtu']}\n" if "mtu" in vlan else ""
    text = f"{HEADER}[NetDev]\nName={vlan_name(vlan)}\nKind=vlan\n{mtu}"
    return f"{text}\n[VLAN]\nId={vlan['vlan_id']}\n"


def network(vlan):
    """Return the file that gives the interface of ``vlan`` its address and its routes."""
    lines = [f"Address={vlan['address']}/{vlan['prefix_length']}"]
    lines += [f"DNS={server}" for server in vlan.get("dns", ())]
    text = f"{HEADER}[Match]\nName={vlan_name(vlan)}\n\n[Network]\n{NO_IPV6}"
    text += "".join(f"{line}\n" for line in lines)
    routes = [(route["destination"], route["nexthop"]) for route in vlan.get("routes", ())]
    if "gateway" in vlan:
        routes.append(("0.0.0.0/0", vlan["gateway"]))
    for destination, nexthop in routes:
        # The metric of interfaces other than the first, as in element instance-base.
        text += f"\n[Route]\nDestination={destination}\nGateway={nexthop}\nMetric=200\n"
    return text


def carrying(link, vlans):
    """Return the file of the interface that carries ``vlans``: DHCP, as instance-base has it."""
    # The tagged interfaces have the same MAC.
    text = f"{HEADER}[Match]\nMACAddress={link['address']}\nType=ether\n\n[Network]\nDHCP=ipv4\n"
    text += NO_IPV6 + "".join(f"VLAN={vlan_name(vlan)}\n" for vlan in vlans)
    return text + (
        "\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric=100\nUseDomains=no\nUseHostname=no\n"
        "UseMTU=yes\n"
    )


def write(folder, files):
    """Make ``folder`` have just ``files`` of ours; return the names of what changed."""
    old = {path.name: path.read_text(encoding="utf-8") for path in folder.glob(f"{PREFIX}*")}
    for name in old.keys() - files.keys():
        (folder / name).unlink()
    for name, text in files.items():
        if old.get(name) != text:
            new = folder / f".{name}.new"
            new.write_text(text, encoding="utf-8")
            new.rename(folder / name)
    return sorted(name for name in old.keys() | files.keys() if old.get(name) != files.get(name))


def links():
    """Return the interfaces of this machine, as ip(8) describes them."""
    said = subprocess.run(["ip", "-json", "address"], stdout=subprocess.PIPE, check=True)
    return json.loads(said.stdout)


def await_result(ask, what):
    """Return what ``ask`` returns as soon as it raises no Failure."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return ask()
        except Failure as failure:
            if time.monotonic() > deadline:
                raise Failure(f"{what}: not there after {TIMEOUT} s ({failure})") from None
            time.sleep(1)


def missing(instance):
    """Raise Failure unless this machine has all addresses of the VLANs and of their carriers."""
    there = {address for link in links() for address in addresses(link)}
    for vlan in instance["vlans"]:
        for address in (vlan["address"], instance["addresses"][vlan["carrier"]]):
            if address not in there:
                raise Failure(f"no interface has the address {address}")


def reload(changed, wanted):
    """Make systemd-networkd use what changed; VLANs that are not ``wanted`` go."""
    for name in changed:
        vlan = name.removeprefix(PREFIX).removesuffix(".netdev")
        if name.endswith(".netdev") and any(link["ifname"] == vlan for link in links()):
            # networkd changes no existing device, and removes none.
            subprocess.run(["ip", "link", "delete", vlan], check=True)
    subprocess.run(["networkctl", "reload"], check=True)
    print("interfaces:", ", ".join(wanted) or "no VLAN", flush=True)


def main(argv):
    """Bring the interfaces about; return the exit status."""
    instance = json.loads(Path(argv[0]).read_text(encoding="utf-8"))["instance"]
    instance.setdefault("vlans", [])
    try:
        found = await_result(lambda: carriers(instance, links()), "the untagged network")
        changed = write(UNITS, units(instance, found))
        if changed:
            reload(changed, [vlan_name(vlan) for vlan in instance["vlans"]])
        await_result(lambda: missing(instance), "the VLAN interfaces")
    except Failure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
